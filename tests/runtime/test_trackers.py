import pytest

from jaxdet.config import Config, Runtime, validate
from jaxdet.errors import MissingLibraryError, UserError
from jaxdet.results import RunFolder
from jaxdet.runtime import trackers
from jaxdet.runtime.logbook import Logbook


def config(*names):
    return Config(runtime=Runtime(trackers=names))


def logbook(run, step, *names):
    open_trackers = trackers.Trackers(config(*names), run, step=step)
    return Logbook(run.metrics, keep_to_step=step, trackers=open_trackers), open_trackers


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
    second.close()
    assert scalars(run.tensorboard, "train/loss") == [(10, 0.1), (20, 0.05), (30, 0.5)]
    assert scalars(run.tensorboard, "epoch")[-1] == (30, 3.0)
    first.close()


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
    with pytest.raises(UserError, match="must name tensorboard, wandb or both"):
        validate(config("mlflow"))


def test_weights_and_biases_takes_them_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = RunFolder(tmp_path)
    book, opened = logbook(run, 0, "wandb")
    book.write(10, 1.0, {"train/loss": 0.25})
    opened.close()
    (kept,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert kept.stat().st_size > 0
