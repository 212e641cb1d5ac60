"""Detectors by generators: average, least, cost, and what is refused."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from jaxdet.errors import UserError
from jaxdet.report.__main__ import main
from jaxdet.report.load import load_runs
from jaxdet.report.matrix import make_matrix, matrix_table
from jaxdet.report.reals import own_threshold
from jaxdet.results import RunFolder, read_results
from jaxdet.workdir.files import write_json

DASH = "\N{EN DASH}"


@pytest.fixture
def runs(make_run, make_predictions):
    both, fakes = make_predictions("x"), make_predictions("f", strength=0.4)
    fakes = dataclasses.replace(
        fakes,
        **{
            name: getattr(fakes, name)[fakes.label == 1]
            for name in ("id", "label", "logit", "sharpness")
        },
    )
    first = make_run("one", {"b.x": both, "b.y": make_predictions("y"), "b.flux": fakes})
    second = make_run("two", {"b.x": both, "b.flux": fakes}, seed=1)
    note_times(
        first,
        ("b.x (crop)", 10, 10.0, 1, "a"), ("b.y (crop)", 60, 1.0, 1, "a"),
        ("b.x (full)", 1, 9.0, 1, "a"),
    )  # fmt: skip
    results = read_results(RunFolder(first).results)
    weights = {**results.weights, "parameters": 11_177_025}
    write_json(RunFolder(first).results, dataclasses.replace(results, weights=weights))
    return first, second


def note_times(run, *lines):
    keys = ("set", "images", "seconds", "start", "fingerprint")
    write_json(RunFolder(run).scoring, [dict(zip(keys, line, strict=True)) for line in lines])


def balanced(run, name):
    one = read_results(RunFolder(run).results).sets[name]
    return (one.accuracy_real + one.accuracy_fake) / 2


def test_averages_are_over_the_sets_that_all_define(runs):
    table = matrix_table(make_matrix(load_runs(runs), metric="balanced_accuracy", reals=None))
    cells = {line[0]: line[1:] for line in table.lines}
    shown = f"{100 * balanced(runs[0], 'b.x'):.1f}"
    assert cells["b.x"] == cells["average"] == cells["least"] == [shown, shown]
    assert cells["b.y"] == [f"{100 * balanced(runs[0], 'b.y'):.1f}", DASH]
    assert cells["b.flux"][0].startswith("recall ")
    # The first set, which waited for the compilation, and another protocol aside.
    assert cells["images/s"] == ["60", DASH]
    assert cells["parameters"] == ["11,177,025", DASH]


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        # Other weights: b.y of before counts no longer.
        ([("b.x", 10, 10.0, 1, "a"), ("b.y", 60, 1.0, 1, "a"),
          ("b.x", 10, 10.0, 2, "b"), ("b.y", 40, 1.0, 2, "b")], "40"),
        # Killed and started again: each start waits for its own compilation.
        ([("b.x", 10, 10.0, 1, "a"), ("b.y", 60, 1.0, 1, "b"), ("b.z", 10, 10.0, 2, "c"),
          ("b.u", 30, 2.0, 2, "d")], "30"),
        # Nothing but sets that waited.
        ([("b.x", 10, 1.0, 1, "a"), ("b.x", 20, 1.0, 2, "b")], "20"),
    ],
)  # fmt: skip
def test_images_per_second_are_of_the_newest_scores_after_the_first_of_a_start(runs, lines, shown):
    note_times(runs[0], *((f"{name} (crop)", *rest) for name, *rest in lines))
    table = matrix_table(make_matrix(load_runs(runs), metric="ap", reals=None))
    (line,) = (line for line in table.lines if line[0] == "images/s")
    assert line[1:] == [shown, DASH]


def test_recall_is_shown_of_fakes_alone_too(runs):
    table = matrix_table(make_matrix(load_runs(runs), metric="recall", reals=None))
    cells = {line[0]: line[1:] for line in table.lines}
    sets = read_results(RunFolder(runs[1]).results).sets
    own = [sets[name].accuracy_fake for name in ("b.x", "b.flux")]
    assert cells["average"][1] == f"{100 * np.mean(own):.1f}"
    assert cells["least"][1] == f"{100 * min(own):.1f}"


def test_the_recall_of_fakes_alone_is_no_accuracy(runs):
    table = matrix_table(make_matrix(load_runs(runs), metric="accuracy", reals=None))
    cells = {line[0]: line[1:] for line in table.lines}
    assert cells["b.flux"][0].startswith("recall ")
    assert cells["average"] == cells["least"] == cells["b.x"]


def test_the_command_writes_and_prints_it(runs, tmp_path, capsys):
    out = tmp_path / "both"
    main([*map(str, runs), f"--out={out}", "--matrix"])
    printed = capsys.readouterr().out
    assert "Which detector?" in printed
    with open(out / "matrix.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    values = {row["value"] for row in rows if row["set"] == "b.x"}
    assert values == {repr(balanced(runs[0], "b.x"))}
    assert [row["value"] for row in rows if row["number"] == "parameters"] == ["11177025", ""]
    assert "| images/s | 60 | " in (out / "matrix.md").read_text()
    assert r"11,177,025 & -- \\" in (out / "matrix.tex").read_text()
    assert "<h2>Which detector?</h2>" in (out / "index.html").read_text()
    assert "matrix.md" in json.loads((out / ".files.json").read_text())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"protocol": "five_crops"}, "five crops"),
        ({"protocol": "ten_crops"}, "ten crops"),
        ({"equalise": "jpeg:90"}, "re-encoded as jpeg:90"),
    ],
)
def test_reals_that_would_be_scored_otherwise_than_the_fakes_are_refused(
    runs, tmp_path, changed, message
):
    (run, _) = load_runs(runs)
    other = dataclasses.replace(run, results=dataclasses.replace(run.results, **changed))
    with pytest.raises(UserError, match=message):
        own_threshold(other, tmp_path)


def test_mistakes_are_one_line(runs, tmp_path, capsys):
    few = tmp_path / "few"
    few.mkdir()
    for number in range(3):
        (few / f"{number}.png").write_bytes(b"")
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (unfinished / "config.json").write_text("{}")
    (unfinished / "metrics.jsonl").write_text('{"step": 1, "epoch": 1, "train/loss": 1}\n')
    for arguments, message in (
        (["--metric=ap"], "--metric: needs --matrix"),
        ([f"--reals={few}"], "--reals: needs --matrix"),
        (["--matrix", f"--reals={tmp_path / 'none'}"], "no such folder"),
        (["--matrix", f"--reals={few}"], "3 images are too few for a threshold at 1 % false "
         "positives: its 95 % interval needs 368 or more"),
        ([str(unfinished), "--matrix"], "--matrix needs its results.json"),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as end:
            main([f"--out={tmp_path / 'out'}", *map(str, runs), *arguments])
        assert end.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    assert not (tmp_path / "out").exists()
