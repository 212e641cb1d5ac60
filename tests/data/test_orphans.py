"""An input worker whose trainer dies before the worker is ready."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TRAINER = """
import multiprocessing, os, sys, time
from jaxdet.data.pipeline import _prepare_worker


def work():
    print(os.getpid(), flush=True)
    time.sleep(float(sys.argv[1]))  # what it loads
    _prepare_worker(0, 1)
    time.sleep(60)


if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=work, daemon=True).start()
    time.sleep(60)
"""


def test_a_worker_whose_trainer_died_while_it_loaded_ends(tmp_path):
    (tmp_path / "trainer.py").write_text(TRAINER)
    trainer = subprocess.Popen(
        [sys.executable, tmp_path / "trainer.py", "1"], stdout=subprocess.PIPE, text=True
    )
    worker = int(trainer.stdout.readline())
    trainer.send_signal(signal.SIGKILL)
    trainer.wait()
    deadline = time.monotonic() + 30
    while _lives(worker):
        if time.monotonic() > deadline:
            os.kill(worker, signal.SIGKILL)
            raise AssertionError("the worker outlived its trainer")
        time.sleep(0.05)


def _lives(pid):
    """Whether the process is there; one that nobody waited for has ended all the same."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
