"""Finds out which layout a folder has; where two readings fit, the user is asked.

What is taken for nothing, or for half of something, would be a dataset that nobody meant: under
`auto` it is refused, with what to say instead.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from jaxdet.data.table.columns import Reading
from jaxdet.data.table.layouts import LAYOUTS, Layout
from jaxdet.data.table.rows import Table
from jaxdet.data.words import LABELS
from jaxdet.errors import UserError
from jaxdet.streams import printable, some_names


class NoLabelsError(UserError):
    """Signals that no folder says a label."""


def choose_layout(root: Path, paths: Sequence[str], reading: Reading) -> tuple[str, Layout]:
    """Returns the layout that is named, or the only one that labels folders, with its name.

    Raises:
      UserError: where there are two, with what each says of one folder, or none.
    """
    if reading.layout != "auto":
        layout = LAYOUTS[reading.layout]
        labels = {name.lower(): label for name, label in layout.labels.items()}
        return reading.layout, dataclasses.replace(layout, labels={**labels, **reading.labels})
    if reading.labels:
        return "auto", Layout(labels=reading.labels)
    steps = {step.lower() for path in paths for step in path.split("/")}
    known = [name for name, one in LAYOUTS.items() if one.is_recognised]
    fitting = [name for name in known if _is_known(LAYOUTS[name], steps)]
    fitting = fitting or [name for name in known if not steps.isdisjoint(LAYOUTS[name].words)]
    # A set of generators whose reals lie apart says more than the labels' names alone.
    if "univfd" in fitting:
        fitting.remove("forensynths")
    if len(fitting) > 1:
        raise UserError(f"{root}: {_two_readings(paths, fitting)}")
    if not fitting:
        raise NoLabelsError(
            f"{root}: no folder says which images are real: {some_names(paths)}; say it with "
            '--config.data.labels=\'{"FOLDER": "real", "FOLDER": "fake"}\' or '
            "--config.data.layout=fake_only"
        )
    return fitting[0], LAYOUTS[fitting[0]]


def refuse_ignored(root: Path, labels: Mapping[str, int | None], name: str, layout: Layout) -> None:
    """Raises UserError where images are left aside that may be those of a label that is lacking.

    Args:
      root: what messages name.
      labels: of each folder with images, by its path; None where nothing says it.
      name: of the layout that was recognised.
      layout: that one.
    """
    silent = [path for path, label in labels.items() if label is None]
    beside: dict[str, set[int]] = {}
    for path, label in labels.items():
        if label is not None:
            beside.setdefault(parent_of(path, layout), set()).add(label)
    said = set[int]().union(*beside.values())
    places = [*((place, own) for place, own in beside.items()), ("", said)]
    for place, own in places:
        lost = [path for path in silent if not place or f"{path}/".startswith(f"{place}/")]
        if len(own) == 1 and lost:
            raise UserError(f"{root}: {_ignored(lost, labels, own.pop(), name)}")


def parent_of(path: str, layout: Layout) -> str:
    """Returns the folder that the first label of a path lies in."""
    steps, (first, _) = path.split("/"), layout.said(path)[0]
    return "/".join(steps[: steps.index(first)])


def _ignored(lost: Sequence[str], labels: Mapping[str, int | None], label: int, name: str) -> str:
    own, other = LABELS[label], LABELS[1 - label]
    first = next(path for path, one in labels.items() if one == label)
    if other == "fake":
        reading = (
            "they may be fakes of generators beside one set of real images, which is "
            "--config.data.layout=shared_real"
        )
    else:
        step = printable(lost[0].split("/")[0])[:60]
        reading = f'they may be real, which is --config.data.labels=\'{{"{step}": "real", …}}\''
    return (
        f"{printable(first)[:80]} says {own} and no folder beside it {other}, and "
        f"{len(lost):,} folders of images say nothing: {some_names(lost)}; {reading}, or nothing "
        f"that is wanted, which is --config.data.layout={name}"
    )


def refuse_halves(root: Path, table: Table, name: str) -> None:
    """Raises UserError where a recognised folder holds sets for tests that lack a label.

    As after a partial download; only the user can say whether fakes of one generator are meant to
    be held against real images of another, or for recall alone.

    Args:
      root: what messages name.
      table: of the folder.
      name: of the layout that was recognised.
    """
    rows = table.split.code == _code_of(table, "test")
    kinds = np.unique(2 * table.generator.code[rows].astype(np.int64) + table.label[rows])
    own: dict[str, set[int]] = {}
    for code, label in (divmod(kind, 2) for kind in kinds.tolist()):
        own.setdefault(table.generator.words[code], set()).add(label)
    labels = set[int]().union(*own.values())
    if len(labels) == 1:
        only = LABELS[labels.pop()]
        raise UserError(
            f"{root}: test images are {only} alone, read as data.layout={name}: the others are "
            f"missing or lie elsewhere; if that is meant, say --config.data.layout={name}"
        )
    whole = [word for word, found in own.items() if len(found) == 2]
    reals = [word for word, found in own.items() if found == {0} and word]
    fakes = [word for word, found in own.items() if found == {1} and word]
    is_shared = 0 in own.get("", ())
    if whole and (reals or (fakes and not is_shared)):
        parts = ((whole, "both labels"), (fakes, "fakes alone"), (reals, "real images alone"))
        told = ", ".join(f"{some_names(words)} with {what}" for words, what in parts if words)
        raise UserError(
            f"{root}: read as data.layout={name}: {told}: sets may be incomplete, as after a "
            "partial download, or fakes alone are to be held against the real images that stand "
            f"alone; complete them, or say --config.data.layout={name} for the latter"
        )


def _code_of(table: Table, split: str) -> int:
    return table.split.words.index(split) if split in table.split.words else -1


def _is_known(layout: Layout, steps: set[str]) -> bool:
    if layout.signs:
        return steps.issuperset(layout.signs)
    return any(label in steps for label in layout.labels)


def _two_readings(paths: Sequence[str], names: Sequence[str]) -> str:
    """Returns what two layouts say of one folder, where there is one of another label in each."""

    def said(path: str, name: str) -> str:
        found = LAYOUTS[name].said(path)
        label = found[-1][1] if found else LAYOUTS[name].others
        return "left aside" if label is None else LABELS[label]

    path = next((p for p in paths if said(p, names[0]) != said(p, names[1])), paths[0])
    told = "; ".join(
        f"by data.layout={name} {printable(path)[:80]} is {said(path, name)}" for name in names[:2]
    )
    return f"two layouts fit: {told}; say which with --config.data.layout=NAME"
