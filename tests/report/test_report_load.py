import json

import pytest

from jaxdet import config
from jaxdet.errors import UserError
from jaxdet.report.contents import contents_of
from jaxdet.report.load import flatten, load_runs, options_of
from jaxdet.report.page import page_html
from jaxdet.streams import printable


def test_a_run_is_read_with_all_its_files(make_run):
    (run,) = load_runs([make_run("a")])
    assert run.label == run.results.name == "blur_jpeg_0.5"  # alone it is called by its name
    assert run.options["augment.blur_probability"] == 0.5
    assert run.env["machine"]["cpu"] == "8 cores"
    assert [step for step, _ in run.curves["val/ap"]] == list(range(200, 1601, 200))
    assert len(run.curves["train/loss"]) == 80


def test_options_come_with_defaults_and_meaning(make_run):
    options = {o.name: o for o in options_of(load_runs([make_run("a")]))}
    blur = options["augment.blur_probability"]
    assert (blur.values, blur.default, blur.stands_out) == ((0.5,), 0.0, True)
    assert blur.doc == "chance of a Gaussian blur"
    assert options["augment.blur_sigma"].doc.endswith("(pixels)")
    # Tuples of the schema are lists in the file; that alone is no difference.
    assert options["augment.blur_sigma"].values == ([0.0, 3.0],)
    standing_out = [name for name, option in options.items() if option.stands_out]
    assert standing_out == ["augment.blur_probability", "augment.jpeg_probability"]


def test_options_of_another_version_are_kept(make_run):
    path = make_run("a")
    saved = json.loads((path / "config.json").read_text())
    del saved["seed"]
    saved["data"]["from_the_future"] = 3
    (path / "config.json").write_text(json.dumps(saved))
    options = {o.name: o for o in options_of(load_runs([path, make_run("b")]))}
    assert options["seed"].values == (None, 0)
    future = options["data.from_the_future"]
    assert (future.values, future.default, future.doc) == ((3, None), None, "")
    assert future.stands_out


def test_several_runs_are_called_by_their_folders(make_run):
    paths = [make_run("a"), make_run("b"), make_run("x/b", name="other"), make_run("y/x/b")]
    assert [run.label for run in load_runs(paths[:2])] == ["a", "b"]
    assert [run.label for run in load_runs(paths[1:3])] == [f"{paths[0].parent.name}/b", "x/b"]
    deep = [run.label for run in load_runs(paths[2:])]
    assert deep == [f"{paths[0].parent.name}/x/b", "y/x/b"]
    assert [run.label for run in load_runs([paths[0], paths[0]])] == ["a #1", "a #2"]
    assert [run.label for run in load_runs([paths[0], paths[1], paths[0]])] == ["a #1", "b", "a #3"]


def test_a_run_without_a_name_is_called_by_its_folder(make_run):
    (run,) = load_runs([make_run("a", name="unnamed")])
    assert run.label == "a"


def test_only_results_are_needed(make_run):
    path = make_run("a")
    for name in ("config.json", "env.json", "metrics.jsonl"):
        (path / name).unlink()
    (run,) = load_runs([path])
    assert (run.options, run.env, run.curves) == ({}, {}, {})


@pytest.mark.parametrize("name", ["config.json", "env.json", "results.json"])
@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe"])
def test_a_damaged_file_is_named(make_run, name, content):
    path = make_run("a")
    (path / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        load_runs([path])


def test_damaged_metrics_are_named(make_run):
    path = make_run("a")
    (path / "metrics.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"metrics\.jsonl"):
        load_runs([path])


def test_a_folder_that_is_none(make_run, tmp_path):
    with pytest.raises(UserError, match="missing: no such folder"):
        load_runs([make_run("a"), tmp_path / "missing"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        UserError, match=r"empty: not a run: it has neither results\.json nor [^;]*$"
    ):
        load_runs([tmp_path / "empty"])
    with pytest.raises(UserError, match=r"; 1 runs lie in it: name them, as in .*/\*$"):
        load_runs([tmp_path])


def test_curves_keep_the_last_word_and_only_numbers(make_run):
    path = make_run("a")
    lines = [
        {"step": 2, "epoch": 1, "train/loss": 0.5},
        {"step": 1, "epoch": 1, "train/loss": 0.9},
        {"step": 2, "epoch": 1, "train/loss": 0.4},
        {"step": 3, "epoch": 1, "train/loss": float("nan"), "lr": "high"},
        {"step": "4", "train/loss": 0.1},
        [5],
    ]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    curves = load_runs([path])[0].curves
    assert curves["train/loss"] == [(1, 0.9), (2, 0.4)]
    assert "lr" not in curves


def test_flatten_keeps_empty_dicts():
    assert flatten({"a": {"b": 1, "c": {}}, "d": [2]}) == {"a.b": 1, "a.c": {}, "d": [2]}


def test_printable_marks_what_would_steer_a_terminal():
    assert printable("é 日本 $x$") == "é 日本 $x$"
    assert printable("a\x1b[31m\n\u202eb\udcff") == "a\ufffd[31m\ufffd\ufffdb\ufffd"


def test_what_differs_stands_in_a_second_line(make_run):
    plain, blurred = config.Augment(), config.Augment(blur_probability=0.5)
    paths = [
        make_run("a", settings={"augment": plain}),
        make_run("b", settings={"augment": blurred, "runtime": config.Runtime(workers=3)}),
    ]
    runs = load_runs(paths)
    assert [(run.label, run.differs) for run in runs] == [
        ("a", "augment.blur_probability 0.0"),
        ("b", "augment.blur_probability 0.5"),
    ]
    page = page_html(contents_of(runs))
    assert page.count('a <span class="muted">augment.blur_probability 0.0</span>') == 1
    assert page.count("b<small>augment.blur_probability 0.5</small>") == 2  # AP and differences
    named = load_runs([make_run("c", name="c"), make_run("d", name="other", seed=1)])
    assert [run.differs for run in named] == ["name c, seed 0", "name other, seed 1"]
    row = load_runs([make_run("c", name="c"), make_run("d", name="d", seed=1)])[0]
    assert row.differs == "seed 0"
    (alone,) = load_runs(paths[:1])
    assert (alone.label, alone.differs) == ("blur_jpeg_0.5", "")


def test_of_many_differences_a_few_are_named(make_run):
    optim = config.Optim(batch_size=7, learning_rate=0.5)
    other = {"seed": 5, "optim": optim, "model": config.Model(name="vgg11")}
    named = load_runs([make_run("a"), make_run("b", name="b", settings=other)])[1]
    assert named.label == "b"
    assert named.differs.count(", ") == 3
    assert named.differs.endswith("\N{HORIZONTAL ELLIPSIS}")


def test_a_run_without_a_config_differs_in_nothing_that_is_known(make_run):
    paths = [make_run("a", seed=1), make_run("b", seed=2), make_run("c")]
    (paths[2] / "config.json").unlink()
    assert [run.differs for run in load_runs(paths)] == ["seed 1", "seed 2", ""]
