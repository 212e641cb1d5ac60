"""A worker that is killed while it makes a block of shared memory."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

# The worker tells its block and dies between the making of it and what Python does next.
TRAINER = """
import multiprocessing, os, signal, sys
from multiprocessing import shared_memory
from jaxdet.data.pipeline import _prepare_worker
from jaxdet.data.shared_blocks import start_tracker


def die(block, size):
    print(os.readlink(f"/proc/self/fd/{block}"), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def work(tracked):
    if tracked:
        _prepare_worker(0, 1)
    os.ftruncate = die
    shared_memory.SharedMemory(create=True, size=100)


if __name__ == "__main__":
    start_tracker()
    tracked = sys.argv[1] == "tracked"
    worker = multiprocessing.get_context("spawn").Process(target=work, args=(tracked,))
    worker.start()
    worker.join()
    assert worker.exitcode == -signal.SIGKILL
"""


@pytest.fixture
def trainer(tmp_path):
    (tmp_path / "trainer.py").write_text(TRAINER)

    def run(how):
        """The block of a worker that was killed."""
        told = subprocess.run(
            [sys.executable, tmp_path / "trainer.py", how], capture_output=True, text=True
        )
        assert (told.returncode, told.stderr) == (0, "")
        return Path(told.stdout.strip())

    return run


def test_the_block_is_freed(trainer):
    block = trainer("tracked")
    # By a process that outlives the trainer for a moment.
    deadline = time.monotonic() + 10
    while block.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert block.name.startswith("psm_")
    assert not block.exists()


def test_python_alone_would_leave_it(trainer):
    block = trainer("plain")
    time.sleep(0.5)
    assert block.exists()
    block.unlink()
