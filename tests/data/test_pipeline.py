"""Worker processes: what they leave behind, and where shared memory is short."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxdet.config import Runtime
from jaxdet.data import pipeline
from jaxdet.data.pipeline import open_batches
from tests.data.test_loaders import same, train_loader

REPOSITORY = Path(__file__).parents[2]
# Loads for ever with two worker processes, and tells each batch.
ENDLESS = """
import sys
from pathlib import Path
from jaxdet.config import Runtime
from jaxdet.data.pipeline import open_batches
from tests.data.test_loaders import train_loader

if __name__ == "__main__":
    runtime = Runtime(workers=2, worker_kind="processes")
    with open_batches(train_loader(Path(sys.argv[1])), start=0, stop=10**9, runtime=runtime) as all:
        for batch in all:
            print("batch", flush=True)
"""


def children(pid):
    """Process ids of all below."""
    below = Path(f"/proc/{pid}/task").glob("*/children")
    ids = [int(child) for file in below for child in file.read_text().split()]
    return ids + [deeper for child in ids for deeper in children(child)]


def shared_blocks():
    return set(os.listdir("/dev/shm"))


def wait_until(true):
    for _ in range(300):
        if true():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads /proc")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_and_no_shared_memory_outlives_the_trainer(dataset, tmp_path, end):
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    before = shared_blocks()
    trainer = subprocess.Popen(
        [sys.executable, script, dataset / "train"],
        cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    for _ in range(5):
        assert trainer.stdout.readline() == "batch\n"
    workers = children(trainer.pid)
    assert len(workers) >= 2
    trainer.send_signal(end)
    trainer.wait()
    assert wait_until(lambda: not [w for w in workers if Path(f"/proc/{w}").exists()])
    assert wait_until(lambda: not shared_blocks() - before)


def test_batches_go_through_pipes_where_shared_memory_is_short(dataset, monkeypatch, capfd):
    load = train_loader(dataset / "train")
    monkeypatch.setattr(pipeline, "shared_memory_left", lambda: load.batch_bytes)
    before = shared_blocks()
    runtime = Runtime(workers=2, worker_kind="processes")
    with open_batches(load, start=0, stop=4, runtime=runtime) as batches:
        for step, batch in enumerate(batches):
            assert same(batch, load(step))
            # Queues have their semaphores there.
            assert all(name.startswith("sem.") for name in shared_blocks() - before)
    assert "docker run --shm-size" in capfd.readouterr().err


def test_shared_memory_is_measured():
    assert 0 < pipeline.shared_memory_left() <= sys.maxsize
