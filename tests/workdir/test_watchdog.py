"""The watch over a process, in processes of their own: it ends them, or rightly does not."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.environment import importing

REPOSITORY = Path(__file__).parents[2]
HEAD = """
import sys, time
from pathlib import Path
from jaxdet.workdir import watchdog
folder = Path(sys.argv[1])
"""


@pytest.fixture
def start(tmp_path):
    def run(body):
        script = tmp_path / "script.py"
        script.write_text(HEAD + body)
        return subprocess.Popen(
            [sys.executable, script, tmp_path],
            cwd=REPOSITORY, env=importing(REPOSITORY),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return run


# One process for all that must not end it: stages that are left in time, one that is slow by its
# nature, a compilation that takes longer than the limit, and no limit.
ALIVE = """
import jax

jax.numpy.zeros(1) + 1
with watchdog.watch(limit=1, folder=folder):
    with watchdog.stage("outer"):
        for _ in range(3):
            with watchdog.stage("inner"):
                time.sleep(0.6)
    with watchdog.stage("slow", slow=True):
        time.sleep(1.5)
    with watchdog.stage("launching"):
        @jax.jit
        def traced(x):
            watchdog.expect_compilation()
            time.sleep(1.5)
            return x

        traced(1.0)
with watchdog.watch(limit=0, folder=folder), watchdog.stage("for ever"):
    time.sleep(1.5)
print("done")
"""


@pytest.mark.slow
def test_signs_of_life_keep_a_process_alive(start):
    out, err = (process := start(ALIVE)).communicate(timeout=120)
    assert process.returncode == 0, err
    assert out.endswith("done\n")


HUNG = """
(folder / "config.json").write_text("{}")
with watchdog.watch(limit=1, folder=folder), watchdog.stage("outer"):
    with watchdog.stage("step 12 on the device"):
        print("hung", flush=True)
        while True:
            time.sleep(0.01)
"""


def test_a_hang_is_told_and_time_in_which_the_process_was_stopped_does_not_count(start, tmp_path):
    process = start(HUNG)
    assert process.stdout.readline() == "hung\n"
    process.send_signal(signal.SIGSTOP)
    time.sleep(3)
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 124
    # Seen only after more than the limit while running: with the pause it would be four seconds.
    assert err.splitlines()[0] == "nothing has moved for 1 s (runtime.hang_seconds=1)"
    assert "stage: start > outer > step 12 on the device" in err
    assert "script.py" in err
    assert err.splitlines()[-1].startswith("error: nothing has moved")
    diagnosis = (tmp_path / "hang.txt").read_text()
    assert "step 12 on the device" in diagnosis
    assert "most recent call first" in diagnosis


LOCKED = """
import ctypes

with watchdog.watch(limit=1, folder=folder), watchdog.stage("in a library"):
    time.sleep(0.5)
    print("hung", flush=True)
    ctypes.PyDLL(None).sleep(120)
"""


@pytest.mark.parametrize("stopped", [0, pytest.param(7, marks=pytest.mark.slow)])
def test_a_library_that_keeps_python_s_lock_is_ended_but_not_for_a_stop(stopped, start):
    process = start(LOCKED)
    assert process.stdout.readline() == "hung\n"
    if stopped:  # for longer than it may be silent
        process.send_signal(signal.SIGSTOP)
        time.sleep(stopped)
        process.send_signal(signal.SIGCONT)
        time.sleep(1)
        assert process.poll() is None
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert "script.py" in err  # the stack of what hangs
    assert err.splitlines()[-1] == (
        "error: nothing moves in the stage 'start > in a library', not even the watchdog: a "
        "library keeps Python's lock (killed; stacks above); start the same command again to "
        "continue"
    )


@pytest.mark.slow
def test_a_folder_without_a_run_is_left_empty(start, tmp_path):
    process = start(HUNG.replace('(folder / "config.json").write_text("{}")', ""))
    process.communicate(timeout=120)
    assert process.returncode == 124
    assert [p.name for p in tmp_path.iterdir()] == ["script.py"]
