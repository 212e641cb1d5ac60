"""Input that hangs, dies, ends or raises, in real processes: the run ends in time, and says why."""

import os
import signal
import time
from pathlib import Path

import pytest

from jaxdet.results import RunFolder, read_metrics
from tests.data.test_pipeline import children, wait_until
from tests.e2e.conftest import main_arguments

# Seconds: well above what a step takes, and with processes what they take to start, on a machine
# that is busy with other things.
LIMITS = {"threads": 8, "processes": 45}


@pytest.fixture
def misbehave(dataset, tmp_path, finish):
    """Runs misbehaving.py to its end: (exit status, stderr, the diagnosis or "")."""

    def start(part, how, kind):
        run = tmp_path / "run"
        status, _, err = finish(
            "tests.e2e.misbehaving", dataset, run, part, how, kind, str(LIMITS[kind])
        )
        assert "Traceback" not in err
        assert err.splitlines()[-1].startswith("error: ")
        diagnosis = run / "hang.txt"
        return status, err, diagnosis.read_text() if diagnosis.exists() else ""

    return start


def check_hang(status, err, diagnosis, *, kind, waiting_for):
    assert status == 124, err
    last = err.splitlines()[-1]
    assert "nothing has moved for" in last
    assert waiting_for in last
    assert "hang.txt" in last
    assert "start the same command again" in last
    assert f"runtime.hang_seconds={LIMITS[kind]}" in diagnosis
    assert waiting_for in diagnosis
    assert "most recent call first" in diagnosis


WAITS = {
    "training": "waiting for the images of step ",
    "validation": "validation after epoch 1 > waiting for images to score val",
    "crops": "waiting for images to score val",
    "pieces": "waiting for images to score val",
}
SLOW = pytest.mark.slow


@SLOW
@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ("training", "threads"),
        ("training", "processes"),
        ("validation", "threads"),
        ("validation", "processes"),
        ("crops", "threads"),
        ("crops", "processes"),
        ("pieces", "threads"),
    ],
)
def test_a_worker_that_hangs(misbehave, part, kind):
    status, err, diagnosis = misbehave(part, "hang", kind)
    check_hang(status, err, diagnosis, kind=kind, waiting_for=WAITS[part])
    # Where the image was being read: in a thread of this process, or in a worker's words.
    assert "misbehaving.py" in (diagnosis if kind == "threads" or part == "validation" else err)
    assert "in misbehave" in err


@SLOW
@pytest.mark.parametrize("part", ["training", "crops"])
def test_a_worker_process_that_ends_with_status_0(misbehave, part):
    status, err, diagnosis = misbehave(part, "exit", "processes")
    check_hang(status, err, diagnosis, kind="processes", waiting_for=WAITS[part])
    assert "ended with status 0" in err.splitlines()[-1]
    assert "ended with status 0" in diagnosis


@SLOW
@pytest.mark.parametrize("part", ["training", "crops"])
def test_a_worker_process_that_is_killed(misbehave, part):
    status, err, diagnosis = misbehave(part, "kill", "processes")
    assert status == 1
    assert "an input worker process was killed by SIGKILL" in err.splitlines()[-1]
    assert not diagnosis


@SLOW
@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ("pieces", "threads"),
        ("training", "threads"),
        ("training", "processes"),
        ("validation", "threads"),
        ("crops", "processes"),
    ],
)
def test_a_worker_that_raises(misbehave, part, kind):
    status, err, diagnosis = misbehave(part, "raise", kind)
    assert status == 1
    last = err.splitlines()[-1]
    assert "an input worker raised ZeroDivisionError: a fault in a library" in last
    assert "misbehaving.py, line " in last
    assert not diagnosis


@pytest.fixture
def training(dataset, tmp_path, command):
    """The main command in the middle of a long training with two worker processes."""
    run = RunFolder(tmp_path / "run")
    process = command(
        "jaxdet.main",
        *main_arguments(
            dataset, run.path, task="train", optim__max_epochs=100_000, model__width=4,
            checkpoint__every_steps=0, runtime__worker_kind="processes",
            runtime__hang_seconds=LIMITS["processes"],
        ),
    )  # fmt: skip
    deadline = time.monotonic() + 240
    while len(read_metrics(run.metrics)) < 4 and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    yield process
    process.kill()


def workers(pid):
    """Worker processes, without multiprocessing's resource tracker."""
    commands = {one: Path(f"/proc/{one}/cmdline").read_text() for one in children(pid)}
    return [one for one, command in commands.items() if "spawn_main" in command]


@SLOW
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads /proc")
def test_a_worker_of_the_main_command_that_is_stopped(training):
    stopped, *_ = found = workers(training.pid)
    assert len(found) == 2
    for one in found:
        os.kill(one, signal.SIGSTOP)
    began = time.monotonic()
    _, err = training.communicate(timeout=120)
    assert training.returncode == 124, err
    last = err.splitlines()[-1]
    assert "waiting for the images of step" in last
    assert f"input worker process {stopped} is alive: T (stopped)" in err
    assert time.monotonic() - began < LIMITS["processes"] + 60
    # Stopped ones too.
    assert wait_until(lambda: not [one for one in found if Path(f"/proc/{one}").exists()])


@SLOW
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads /proc")
def test_a_worker_of_the_main_command_that_is_killed(training):
    os.kill(workers(training.pid)[0], signal.SIGKILL)
    _, err = training.communicate(timeout=120)
    assert training.returncode == 1, err
    assert "Traceback" not in err
    assert "an input worker process was killed by SIGKILL" in err.splitlines()[-1]
