import importlib.util
import sys
import types

import pytest

from jaxdet.config import Config, Runtime, validate
from jaxdet.errors import MissingLibraryError, UserError
from jaxdet.results import RunFolder
from jaxdet.runtime import trackers
from jaxdet.runtime.logbook import Logbook
from jaxdet.workdir.files import write_json


def config(*names):
    return Config(runtime=Runtime(trackers=names))


def logbook(run, step, *names, code=None):
    outside = {"outside": {"mine.parts:build": code}} if code else {}
    write_json(run.env, {"time": "now", **outside})
    opened = trackers.Trackers(config(*names), run)
    return Logbook(run.metrics, keep_to_step=step, trackers=opened), opened


def scalars(folder, tag):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    return [(one.step, round(one.value, 4)) for one in events.Scalars(tag)]


def test_tensorboard_reads_the_lines_of_a_run_that_goes_on(tmp_path):
    run = RunFolder(tmp_path)
    book, first = logbook(run, 0, "tensorboard")
    for step in (10, 20, 30):
        book.write(step, step / 10, {"train/loss": 1 / step})
    # Not closed, as by a kill; the next start goes on from the checkpoint of step 20.
    assert scalars(run.tensorboard, "train/loss") == [(10, 0.1), (20, 0.05), (30, 0.0333)]
    book, second = logbook(run, 20, "tensorboard")
    book.write(30, 3.0, {"train/loss": 0.5})
    second.__exit__(None)
    assert scalars(run.tensorboard, "train/loss") == [(10, 0.1), (20, 0.05), (30, 0.5)]
    assert scalars(run.tensorboard, "epoch")[-1] == (30, 3.0)
    first.__exit__(KeyboardInterrupt)


def test_a_tracker_that_fails_is_left_out_and_the_run_goes_on(tmp_path, monkeypatch, capsys):
    class Failing:
        def __init__(self, *_):
            self.count = 0

        def write(self, step, values):
            raise OSError("no such host")

    monkeypatch.setattr(trackers, "_TRACKERS", {"wandb": Failing})
    run = RunFolder(tmp_path)
    book, _ = logbook(run, 0, "wandb")
    for step in (10, 20):
        book.write(step, step / 10, {"train/loss": 1.0})
    assert len(run.metrics.read_text().splitlines()) == 2
    assert capsys.readouterr().err.count("wandb: left out from now on (no such host)") == 1


def test_what_is_not_installed_or_not_known_is_told_before_the_run(monkeypatch):
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingLibraryError, match=r"pip install 'jaxdet\[wandb\]'"):
        trackers.check_installed(config("wandb"))
    for names in (["mlflow"], ["wandb", "wandb"]):
        with pytest.raises(UserError, match="must name tensorboard, wandb or both, once each"):
            validate(config(*names))


def test_a_folder_called_wandb_is_no_library(tmp_path, monkeypatch):
    (tmp_path / "wandb").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    if importlib.util.find_spec("wandb").origin is not None:
        pytest.skip("wandb is installed")
    with pytest.raises(MissingLibraryError):
        trackers.check_installed(config("wandb"))


def test_all_starts_of_a_run_are_one_run_of_weights_and_biases(tmp_path, monkeypatch):
    calls = []

    class Run:
        def __getattr__(self, name):
            return lambda *given, **named: calls.append((name, given, named))

    stub = types.SimpleNamespace(init=lambda **given: calls.append(("init", (), given)) or Run())
    monkeypatch.setitem(sys.modules, "wandb", stub)
    run = RunFolder(tmp_path)
    # Before the second start, code of one's own changes.
    for step, error, code in ((0, UserError, "1"), (10, None, "2")):
        book, opened = logbook(run, step, "wandb", code=code)
        assert len([call for call in calls if call[0] == "init"]) == (step > 0)
        book.write(step + 10, 1.0, {"train/loss": 0.5})
        opened.__exit__(error)
    starts = [given for name, _, given in calls if name == "init"]
    assert starts[0]["id"] == starts[1]["id"]
    assert {given["resume"] for given in starts} == {"allow"}
    assert ("log", ({"step": 20, "epoch": 1.0, "train/loss": 0.5},), {}) in calls
    assert [given for name, _, given in calls if name == "finish"] == [
        {"exit_code": 1}, {"exit_code": 0},
    ]  # fmt: skip


def test_weights_and_biases_takes_them_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = RunFolder(tmp_path)
    book, opened = logbook(run, 0, "wandb")
    book.write(10, 1.0, {"train/loss": 0.25})
    opened.__exit__(None)
    (kept,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert kept.stat().st_size > 0
