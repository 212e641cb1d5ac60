"""Runs that a Python program starts and reads."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import jaxdet
from jaxdet import config as schema
from jaxdet.errors import BadArgumentError, MissingLibraryError, Stopped, UserError
from jaxdet.report import frames
from jaxdet.results import Predictions, RunFolder, read_arrays
from jaxdet.results.folder import read_metrics
from tests.conftest import write_images
from tests.e2e.conftest import TINY
from tests.report import runs as made


def tiny(root):
    """The options of a command of tests as values."""
    return {**TINY, "evaluation.analyses": (), "data.root": root}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("start") / "data"
    for number, folder in enumerate(("train/cat", "val/cat", "test/alpha")):
        write_images(root / folder, count=6, seed=number)
    return root


@pytest.fixture(scope="module")
def trained(root):
    return jaxdet.train("small", root.parent / "run", tiny(root))


def test_a_preset_trains_and_its_run_is_read(trained, root):
    raw = json.loads((trained.folder / "results.json").read_text())
    assert (raw["status"], list(raw["sets"])) == ("finished", ["alpha"])
    assert trained.results.sets["alpha"].ap == raw["sets"]["alpha"]["ap"]
    assert trained.options["data.root"] == str(root)
    # A finished run is read again; a config of one's own is the same as the preset.
    again = jaxdet.train(schema.read_options("small", tiny(root)), str(trained.folder))
    assert again.results == trained.results


def test_the_weights_of_a_run_are_evaluated(trained, root, tmp_path):
    options = {**tiny(root), "model.init": trained.folder}
    found = jaxdet.evaluate(Path("configs/small.py"), tmp_path / "eval", options)
    assert found.options["task"] == "eval"
    assert found.results.sets["alpha"].ap == trained.results.sets["alpha"].ap


@pytest.mark.parametrize(
    ("given", "options", "says"),
    [
        ("smal", {}, "no such file, nor a preset of that name; did you mean small"),
        ("papers/wang_table2", {}, "a table of experiments"),
        (3, {}, "3: give a jaxdet.config.Config"),
        ("small", {"optim.batchsize": 3}, "no such option"),
        ("small", {"optim": 3}, "is a section"),
        ("small", {"optim.batch_size": "many"}, "must be of type int"),
        ("small", {"task": "eval", "model.init": "w"}, "call jaxdet.evaluate"),
        ("small", {"data.root": "nowhere"}, "nowhere"),
    ],
)
def test_mistakes_are_errors_of_ours(given, options, says, tmp_path):
    with pytest.raises(UserError, match=says) as raised:
        jaxdet.train(given, tmp_path / "run", options)
    assert "\n" not in str(raised.value)


def test_ctrl_c_stops_a_run_and_another_call_goes_on(trained, root, tmp_path):
    folder = RunFolder(tmp_path / "run")

    def interrupt():
        end = time.monotonic() + 60
        while not folder.metrics.exists() and time.monotonic() < end:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    with pytest.raises(Stopped, match="interrupted"):
        jaxdet.train("small", folder.path, tiny(root))
    thread.join()
    assert not folder.results.exists()
    again = jaxdet.train("small", folder.path, tiny(root))
    assert again.results.sets["alpha"].ap == trained.results.sets["alpha"].ap
    steps = [line["step"] for line in read_metrics(folder.metrics)]
    assert steps == [line["step"] for line in read_metrics(RunFolder(trained.folder).metrics)]


def test_frames_have_the_numbers_of_the_run(tmp_path):
    pd = pytest.importorskip("pandas")
    parts = [made.predictions("progan", categories=("cat", "dog")), made.predictions("=biggan")]
    folder = made.write_run(tmp_path / "run", dict(zip(("progan", "=biggan"), parts, strict=True)))
    run = jaxdet.read_run(folder)
    raw = json.loads((folder / "results.json").read_text())["sets"]
    assert list(zip(run.sets["set"], run.sets["category"], strict=True)) == [
        ("progan", ""), ("progan", "cat"), ("progan", "dog"), ("=biggan", ""),
    ]  # fmt: skip
    whole = run.sets[run.sets["category"] == ""].set_index("set")
    for name, numbers in raw.items():
        line = whole.loc[name]
        assert (line.ap, line.accuracy, line.n_real) == (
            numbers["ap"], numbers["accuracy"], numbers["n_real"],
        )  # fmt: skip
        assert line.ece == numbers["measures"]["ece"]
        assert np.isnan(line.published_ap)
    rows = run.predictions
    for name in raw:
        stored = read_arrays(RunFolder(folder).predictions(name), Predictions)
        mine = rows[rows["set"] == name]
        assert mine.id.tolist() == stored.id.tolist()
        assert mine.logit.tolist() == stored.logit.tolist()
    assert sorted(set(rows.category)) == ["", "cat", "dog"]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    points = {line["step"]: line["val/ap"] for line in lines if "val/ap" in line}
    assert run.history.index.name == "step"
    assert run.history["val/ap"].dropna().to_dict() == points
    assert set(run.conditions["set"]) == set(raw)
    assert isinstance(run.sets, pd.DataFrame)


def test_a_run_without_results_gives_what_it_has(trained, tmp_path):
    pytest.importorskip("pandas")
    for name in ("config.json", "metrics.jsonl"):
        (tmp_path / name).write_bytes((trained.folder / name).read_bytes())
    run = jaxdet.read_run(tmp_path)
    assert "no results yet" in repr(run)
    assert len(run.history) > 0
    assert len(run.predictions) == 0
    with pytest.raises(UserError, match="the run has no results yet"):
        _ = run.sets


def test_what_is_no_run_is_refused_and_pandas_is_named_where_it_is_missing(
    trained, tmp_path, monkeypatch
):
    with pytest.raises(UserError, match="not a run"):
        jaxdet.read_run(tmp_path)
    for wrong in (None, ""):
        with pytest.raises(BadArgumentError, match="takes the folder of a run"):
            jaxdet.read_run(wrong)
    monkeypatch.setitem(sys.modules, "pandas", None)
    run = frames.RunTables(trained.folder)
    with pytest.raises(MissingLibraryError, match=r"pip install 'jaxdet\[notebook\]'"):
        _ = run.sets


def test_names_are_there_without_jax_or_pandas():
    code = (
        "import sys, jaxdet; jaxdet.train, jaxdet.read_run, jaxdet.list_images; "
        "print([name for name in ('jax', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_opencv_is_loaded_and_no_variable_of_it_stays():
    code = "import os, jaxdet.data.opencv; print([n for n in os.environ if 'OPENCV' in n])"
    env = {name: value for name, value in os.environ.items() if "OPENCV" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert done.stdout == "[]\n"
