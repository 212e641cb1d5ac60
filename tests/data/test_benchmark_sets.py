"""Which sets of which benchmarks are scored, and what is said of one that cannot be read."""

import re

import pytest

from jaxdet.config import Config, Evaluation
from jaxdet.data.splits import left_aside, load_test_sets
from jaxdet.datasets.commands import main
from jaxdet.errors import UserError
from tests.data.table_files import write_csv, write_tree


def config_of(*benchmarks, sets=()):
    return Config(task="eval", evaluation=Evaluation(benchmarks=benchmarks, sets=sets))


def names_of(config):
    return [one.name for one in load_test_sets(config)]


def test_a_broken_set_and_a_broken_benchmark_can_be_left_out(tmp_path):
    paths = [f"test/{name}/{label}/1.png" for name in "ab" for label in ("0_real", "1_fake")]
    write_tree(tmp_path / "mix", [*paths, "test/broken/1_fake/1.png"])
    given = (f"mix={tmp_path / 'mix'}", f"gone={tmp_path / 'nowhere'}")
    config = config_of(*given, sets=("mix.b", "mix.a"))
    assert names_of(config) == ["mix.a", "mix.b"]
    assert left_aside(config) == []
    for sets, message in (
        ((), "broken/0_real: no such folder"),
        (("mix.broken",), "broken/0_real: no such folder"),
        (("gone.a",), "nowhere: no such folder"),
        (("mix.c",), r"no benchmark has a set mix\.c; there are mix\.a, mix\.b, mix\.broken"),
        (("c",), r"no benchmark has a set c; there are mix\.SET, gone\.SET"),
    ):
        with pytest.raises(UserError, match=message):
            load_test_sets(config_of(*given, sets=sets))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("folder", "no folder says which images are real"),
        ("table", "no column is known to be the image"),
        ("label", "says neither real nor fake"),
    ],
)
def test_options_of_data_are_said_where_they_count(tmp_path, kind, message):
    paths = ["cats/1.png", "sd/1.png"]
    write_tree(tmp_path / kind, paths)
    root = tmp_path / kind
    if kind != "folder":
        head = ["picture" if kind == "table" else "image", "label"]
        root = write_csv(root / "t.csv", head, [[paths[0], "cats"], [paths[1], "sd"]])
    advice = f"{message}.*python -m jaxdet.data index {re.escape(str(root))} --out=FILE.parquet"
    config = config_of(f"b={root}")
    for load in (load_test_sets, left_aside):
        with pytest.raises(UserError, match=advice):
            load(config)
    given = ["--labels", '{"cats": "real", "sd": "fake"}']
    if kind == "table":
        given += ["--columns", '{"image": "picture"}']
    index = tmp_path / "index.parquet"
    main(["index", str(root), f"--out={index}", *given])
    assert [len(one) for one in load_test_sets(config_of(f"b={index}"))] == [2]


def test_a_benchmark_that_is_not_there_or_tests_nothing_is_named(tmp_path):
    with pytest.raises(UserError, match=r"give one with --config\.evaluation\.benchmarks=b=DIR"):
        load_test_sets(config_of(f"b={tmp_path / 'nowhere'}"))
    root = write_csv(
        tmp_path / "t.csv", ["image", "label", "split"], [["a", 0, "train"], ["b", 1, "val"]]
    )
    with pytest.raises(UserError, match=r"t\.csv/test: no such folder, nor rows of another"):
        load_test_sets(config_of(f"b={root}"))


@pytest.mark.parametrize(("label", "lacking"), [(1, "0_real"), (0, "1_fake")])
def test_a_set_of_one_label_is_named(tmp_path, label, lacking):
    """AP of one label says nothing, and every table has it."""
    root = write_csv(tmp_path / "t.csv", ["image", "label", "generator"], [["a", label, "sd"]])
    with pytest.raises(UserError, match=f"test/sd has no {lacking}; both are needed"):
        load_test_sets(config_of(f"b={root}"))
