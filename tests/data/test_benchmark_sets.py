"""Which sets of which benchmarks are scored, and what is said of one that cannot be read."""

import contextlib
import dataclasses
import re

import pytest

from jaxdet.config import Config, Data, Evaluation, listed_benchmarks, validate
from jaxdet.data import sources
from jaxdet.data.missing import find_missing
from jaxdet.data.sources import open_root
from jaxdet.data.splits import left_aside, left_out, load_test_sets, load_train_and_val
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


def test_a_start_looks_each_root_up_once(tmp_path, monkeypatch):
    paths = [f"{split}/{n}.png" for split in ("train", "val", "test") for n in range(4)]
    write_tree(tmp_path, paths)
    rows = [[path, path.partition("/")[0], n % 2] for n, path in enumerate(paths)]
    table = write_csv(tmp_path / "t.csv", ["image", "split", "label"], rows)
    looked = []
    find = sources.find_table
    monkeypatch.setattr(sources, "find_table", lambda *given: looked.append(given) or find(*given))
    config = Config(data=Data(root=str(table)))
    for times, looking in ((5, contextlib.nullcontext()), (1, sources.opening_once())):
        looked.clear()
        with looking:
            assert not list(find_missing(config.data, config.evaluation, task="all", init=""))
            train, val = load_train_and_val(config)
            assert [len(one) for one in (train, val, *load_test_sets(config))] == [4, 4, 4]
            left_aside(config)
        assert len(looked) == times


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


@pytest.mark.parametrize("label", [0, 1])
def test_a_set_of_one_label_is_a_test_set(tmp_path, label):
    rows = [["a", label, "sd", "test"], ["b", label, "sd", "train"]]
    root = write_csv(tmp_path / "t.csv", ["image", "label", "generator", "split"], rows)
    (images,) = load_test_sets(config_of(f"b={root}"))
    assert images.labels.tolist() == [label]
    with pytest.raises(UserError, match=r"train has no .*; both are needed"):
        open_root(str(root)).load("train", name="train")


def test_missing_benchmarks_are_left_out_where_that_is_asked_for(tmp_path):
    write_tree(tmp_path / "own", ["phone/1.png"])
    given = (f"own:real_only={tmp_path / 'own'}", "gone=nowhere")
    config = config_of(*given, sets=("own", "gone.x"))
    init = {"task": "eval", "init": ""}
    (missing,) = find_missing(config.data, config.evaluation, **init)
    assert missing.sentence().startswith(
        "evaluation.benchmarks=gone=nowhere: no such folder or table; leave out"
    )
    skipping = dataclasses.replace(config.evaluation, missing_benchmarks="skip")
    config = dataclasses.replace(config, evaluation=skipping)
    assert list(find_missing(config.data, config.evaluation, **init)) == []
    assert names_of(config) == ["own.phone"]
    assert left_out(config) == ["benchmark gone is left out: there is no nowhere"]
    nothing = dataclasses.replace(skipping, sets=("gone",))
    with pytest.raises(UserError, match="there is no nowhere; at least"):
        load_test_sets(dataclasses.replace(config, evaluation=nothing))
    nothing = dataclasses.replace(skipping, benchmarks=("a=no", "b=none"), sets=())
    with pytest.raises(UserError, match="none is there, neither no nor none; at least"):
        load_test_sets(dataclasses.replace(config, evaluation=nothing))


def test_a_layout_that_is_none_is_named():
    with pytest.raises(UserError, match="'a:odd=x': the layout is not one of forensynths, "):
        validate(config_of("a:odd=x"))


def test_a_benchmark_names_its_layout_and_lies_below_the_common_root(tmp_path):
    write_tree(tmp_path / "evalgen", ["flux/1.png", "nova/1.png", "nova/2.png"])
    write_tree(tmp_path / "own", ["phone/1.png"])
    evaluation = Evaluation(
        benchmarks=("evalgen:fake_only=evalgen", "own:real_only=own"),
        benchmark_root=str(tmp_path), sets=("evalgen", "own.phone"),
    )  # fmt: skip
    sets = load_test_sets(Config(task="eval", evaluation=evaluation))
    assert {one.name: one.labels.tolist() for one in sets} == {
        "evalgen.flux": [1], "evalgen.nova": [1, 1], "own.phone": [0],
    }  # fmt: skip
    with pytest.raises(UserError, match=r"b:LAYOUT=.*own"):
        load_test_sets(config_of(f"b={tmp_path / 'own'}"))


def test_a_dataset_of_tfds_lies_below_no_root():
    evaluation = Evaluation(benchmarks=("a=tfds:mine", "b=own", "c=/x"), benchmark_root="/data")
    roots = [one.root for one in listed_benchmarks(evaluation)]
    assert roots == ["tfds:mine", "/data/own", "/x"]


@pytest.mark.parametrize(
    ("layout", "folder", "said"),
    [("fake_only", "photos", "real"), ("real_only", "generated", "fake")],
)
def test_a_folder_of_one_label_that_is_called_by_the_other_is_refused(
    tmp_path, layout, folder, said
):
    write_tree(tmp_path, [f"{folder}/1.png"])
    with pytest.raises(UserError, match=f"{folder} is called as if it were {said}"):
        load_test_sets(config_of(f"b:{layout}={tmp_path}"))
