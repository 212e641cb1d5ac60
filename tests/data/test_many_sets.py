"""Tables of many generators and categories: right sets, and work that grows as the table does."""

import sys
from pathlib import Path

import numpy as np
import pytest

from jaxdet.data.table.root import TableRoot
from jaxdet.data.table.rows import WHOLE, Table, Words


def table(labels, generators, categories):
    count = len(labels)
    return Table(
        place="t",
        name="t",
        base=Path(),
        files=[f"{number}.png" for number in range(count)],
        file=np.arange(count, dtype=np.int32),
        row=np.full(count, WHOLE),
        label=np.array(labels, np.int32),
        split=Words.same("test", count),
        generator=Words.of(generators),
        category=Words.of(categories),
        group=Words.same("", count),
    )


def of_categories(count):
    """Returns a table of one generator, with a real and a fake image of each category."""
    names = [f"c{number // 2:03}" for number in range(2 * count)]
    return table([0, 1] * count, ["sd"] * 2 * count, names)


def of_generators(count):
    """Returns a table of one fake of each generator, and two real images."""
    names = [f"g{number:03}" for number in range(count)]
    return table([0] + [1] * count + [0], ["", *names, ""], [""] * (count + 2))


def lines_run(work):
    """Returns how often a line of Python runs, and a list is gone on with, in some work."""
    count, before = 0, sys.gettrace()

    def trace(frame, event, argument):
        nonlocal count
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def read_all(made):
    root = TableRoot(made)
    for images in root.sets():
        assert [images.ids[index] for index in range(len(images))] == list(images.ids)


@pytest.mark.parametrize("make", [of_categories, of_generators])
def test_twice_the_sets_are_twice_the_work(make):
    few, many = (lines_run(lambda n=count: read_all(make(n))) for count in (40, 80))
    assert many < 2.5 * few


def test_three_hundred_categories_and_generators():
    (images,) = TableRoot(of_categories(300)).sets()
    assert images.rows.tolist() == list(range(600))
    assert images.ids[599] == "c299/1_fake/00000599-599.png"
    root = TableRoot(of_generators(300))
    assert root.categories("test") == [f"g{number:03}" for number in range(300)]
    images = root.load("test/g299", name="g299")
    assert images.labels.tolist() == [0, 0, 1]
    assert [part.rows.tolist() for part in images.parts] == [[0, 301], [300]]
