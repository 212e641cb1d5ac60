"""Worker processes: what they leave behind, and where shared memory is short."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxdet.config import Runtime
from jaxdet.data import shared_blocks
from jaxdet.data.pipeline import _kind, open_batches
from tests.data.test_loaders import same, train_loader
from tests.environment import importing

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


@pytest.mark.parametrize(("given", "workers", "batches", "free", "kind"), [
    ("auto", 16, 10**9, 2**40, "processes"),
    ("auto", 4, 10**9, 2**40, "threads"),  # these keep up
    ("auto", 16, 50, 2**40, "threads"),  # over before processes have started
    ("auto", 16, 10**9, 64 * 2**20, "threads"),  # Docker's shared memory
    ("threads", 16, 10**9, 2**40, "threads"),
    ("processes", 1, 1, 0, "processes"),
])  # fmt: skip
def test_many_workers_are_processes_where_it_pays(given, workers, batches, free, kind, monkeypatch):
    monkeypatch.setattr(shared_blocks, "free_bytes", lambda: free)
    runtime = Runtime(worker_kind=given)
    # pytest was started by -m, or by a script that says what it is.
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", object(), raising=False)
    size = 256 * 224**2 * 3
    assert _kind(runtime, workers, batches=batches, batch_bytes=size) == kind
    if given == "auto":
        # Each process would read and keep nearly all row groups of a table.
        options = {"batches": batches, "batch_bytes": size, "in_groups": True}
        assert _kind(runtime, workers, **options) == "threads"
        # A script without a guard would run anew in each worker.
        monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
        assert _kind(runtime, workers, batches=batches, batch_bytes=size) == "threads"


def children(pid):
    """Process ids of all below."""
    below = Path(f"/proc/{pid}/task").glob("*/children")
    ids = [int(child) for file in below for child in file.read_text().split()]
    return ids + [deeper for child in ids for deeper in children(child)]


def mapped_blocks(pid):
    """Names of the shared memory that a process and all below it have mapped."""
    names = set()
    for one in [pid, *children(pid)]:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{one}/maps").read_text().splitlines():
                place = line.split(maxsplit=5)[-1]
                # Queues have their semaphores and counters there too.
                if place.startswith("/dev/shm/") and "/sem." not in place and "/pym-" not in place:
                    names.add(place.split()[0])
    return names


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
    trainer = subprocess.Popen(
        [sys.executable, script, dataset / "train"],
        cwd=REPOSITORY, env=importing(REPOSITORY),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    for _ in range(5):
        assert trainer.stdout.readline() == "batch\n"
    workers = children(trainer.pid)
    blocks = mapped_blocks(trainer.pid)
    assert len(workers) >= 2
    assert blocks
    trainer.send_signal(end)
    trainer.wait()
    assert wait_until(lambda: not [w for w in workers if Path(f"/proc/{w}").exists()])
    assert wait_until(lambda: not [block for block in blocks if Path(block).exists()])


def test_batches_go_through_pipes_where_shared_memory_is_short(dataset, monkeypatch, capfd):
    load = train_loader(dataset / "train")
    monkeypatch.setattr(shared_blocks, "free_bytes", lambda: load.batch_bytes)
    before = mapped_blocks(os.getpid())
    runtime = Runtime(workers=2, worker_kind="processes")
    with open_batches(load, start=0, stop=4, runtime=runtime) as batches:
        for step, batch in enumerate(batches):
            assert same(batch, load(step))
            # Tests before this one may have left some to the garbage collector.
            assert not mapped_blocks(os.getpid()) - before
    assert "docker run --shm-size" in capfd.readouterr().err


def test_shared_memory_is_measured():
    assert 0 < shared_blocks.free_bytes() <= sys.maxsize
