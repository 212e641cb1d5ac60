"""Runs the loaders by grain: batches made ahead by threads or processes, in order.

Three hazards of grain 0.2.18 are met here: it reads absl flags that nobody parsed outside
`absl.app` (google/grain#1361), its worker processes outlive a killed trainer, and where shared
memory is too small they die of a bus error without a word. A fourth, that it waits for ever for a
worker that ended with status 0, is left to `workdir/watchdog.py`, which asks here who the workers
are.
"""

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

import grain
from absl import flags

from jaxdet.config.runtime import Runtime
from jaxdet.data import shared_blocks
from jaxdet.data.batches import Batch
from jaxdet.data.failures import named_failures
from jaxdet.data.opencv import cv2
from jaxdet.data.shield import signals_blocked, started_blocked
from jaxdet.progress import say, size_text

# Batches that wait for the device, beyond those being made.
_AHEAD = 2
# Threads wait for one another in the Python that each image takes: sixteen of them gave 3,300
# images/s where one card trains on 6,900 (docs/evidence/gpu.md). Processes do not, but take
# seconds to start: with so many workers, and so many bytes to make, that is won back.
_THREADS, _WORTH_STARTING = 4, 4 * 2**30
# How soon a worker process notices that its trainer is gone.
_WATCH_SECONDS = 1.0

# Of the inputs that are open, by process id.
_started: dict[int, BaseProcess] = {}


class Loader(Protocol):
    """Makes the batch of each step."""

    @property
    def batch_bytes(self) -> int:
        """Returns the size of one batch's pixels, bytes."""

    def __call__(self, step: int) -> Any:
        """Returns the batch of a step: arrays by name."""


@contextlib.contextmanager
def open_batches(
    load: Loader, *, start: int, stop: int, runtime: Runtime
) -> Iterator[Iterator[Batch]]:
    """Opens the batches load(start), …, load(stop - 1) in this order, made ahead, and closes them.

    Number and kind of workers change the speed and nothing else. Errors raised by `load`
    come out of the iterator, ours as they are, others as RunFailedError; it is not to be used
    after one.
    """
    # OpenCV's own threads would fight with ours for the same cores.
    cv2.setNumThreads(0)
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    workers = worker_count(runtime)
    sizes = {"batches": stop - start, "batch_bytes": load.batch_bytes}
    kind = _kind(runtime, workers, in_groups=_reads_groups(load), **sizes)
    in_processes = kind == "processes"
    with signals_blocked() if in_processes else contextlib.nullcontext():
        iterator = iter(_dataset(load, start, stop, workers, kind))
    try:
        # Processes are started with the first batch.
        yield named_failures(started_blocked(iterator) if in_processes else iterator)
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
        if in_processes:
            _started.clear()


def worker_processes() -> dict[int, BaseProcess]:
    """Returns the worker processes of the open input by their id, those that have ended too.

    To be asked now and then: a process that begins and ends between two calls is not seen.
    """
    for process in multiprocessing.active_children():
        _started.setdefault(process.pid or 0, process)
    return dict(_started)


def worker_count(runtime: Runtime) -> int:
    """Returns how many workers make batches; 0 where none do."""
    return (os.cpu_count() or 1) if runtime.workers < 0 else runtime.workers


def _reads_groups(load: Any) -> bool:
    """Returns whether a loader of images reads row groups of Parquet files, which workers share.

    Processes would each read, and keep in memory, nearly all of them.
    """
    images = getattr(getattr(load, "read", None), "images", None)
    if images is None:
        return False
    return images.blocks is not None or any(one.stored is not None for one in images.parts)


def _kind(
    runtime: Runtime, workers: int, *, batches: int, batch_bytes: int, in_groups: bool = False
) -> str:
    if runtime.worker_kind != "auto":
        return runtime.worker_kind
    if in_groups:
        return "threads"
    # A worker process imports the main program anew: a module that -m runs stands that, a script
    # may not.
    is_module = getattr(sys.modules["__main__"], "__spec__", None) is not None
    is_large = workers > _THREADS and batches * batch_bytes >= _WORTH_STARTING
    has_room = _shared_bytes(workers, batch_bytes) <= shared_blocks.free_bytes()
    return "processes" if is_module and is_large and has_room else "threads"


def _shared_bytes(workers: int, batch_bytes: int) -> int:
    # Each worker has batches waiting and one in the making, and the consumer holds one.
    return 2 * workers * (_AHEAD + 2) * batch_bytes


def _dataset(load: Loader, start: int, stop: int, workers: int, kind: str) -> grain.IterDataset:
    positions = grain.MapDataset.range(start, stop).map(load)
    if kind == "processes" and workers > 0:
        inline = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
        options = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=_AHEAD)
        dataset = positions.to_iter_dataset(inline)
        needed = _shared_bytes(workers, load.batch_bytes)
        if needed > shared_blocks.free_bytes():
            say(
                f"{shared_blocks.PLACE}: less than the {size_text(needed)} that {workers} worker "
                "processes may need; batches go through pipes, which is slower (in a container: "
                "docker run --shm-size)"
            )
            pipes = grain.experimental.DatasetOptions(min_shm_size=2**62)
            dataset = grain.experimental.WithOptionsIterDataset(dataset, pipes)
        return dataset.mp_prefetch(options, worker_init_fn=_prepare_worker)
    ahead = workers + _AHEAD if workers else 0
    return positions.to_iter_dataset(
        grain.ReadOptions(num_threads=workers, prefetch_buffer_size=ahead)
    )


def _prepare_worker(worker_index: int, worker_count: int) -> None:
    """Prepares a worker process; among others, starts a watch that ends it with its parent.

    grain would leave it running. On SIGUSR2, from `workdir/watchdog.py`, the worker tells where it
    is.

    Not PR_SET_PDEATHSIG: grain starts workers from helper threads, and that signal fires
    when the thread ends, not the process.
    """
    del worker_index, worker_count
    cv2.setNumThreads(0)
    shared_blocks.track_before_making()
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR2, all_threads=True)
    # Not os.getppid(): the trainer may be gone before this is called.
    started_by = multiprocessing.parent_process()
    parent = os.getppid() if started_by is None else started_by.pid

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        sys.stderr.flush()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
