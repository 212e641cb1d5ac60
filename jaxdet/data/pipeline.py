"""grain around the loaders: batches made ahead by threads or processes, in order.

Two hazards of grain 0.2.18 are met here: it reads absl flags that nobody parsed outside
`absl.app` (google/grain#1361), and its worker processes outlive a killed trainer.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

import cv2
import grain
from absl import flags

from jaxdet.config import Runtime
from jaxdet.data.loaders import Batch

# Batches that wait for the device, beyond those being made.
_AHEAD = 2
# How soon a worker process notices that its trainer is gone.
_WATCH_SECONDS = 1.0


@contextlib.contextmanager
def open_batches(
    load: Callable[[int], Batch], *, start: int, stop: int, runtime: Runtime
) -> Iterator[Iterator[Batch]]:
    """The batches load(start), …, load(stop - 1) in this order, made ahead.

    Number and kind of workers change the speed and nothing else. Errors raised by `load`
    come out of the iterator; it is not to be used after one.
    """
    # OpenCV's own threads would fight with ours for the same cores.
    cv2.setNumThreads(0)
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    workers = _count(runtime)
    iterator = iter(_dataset(load, start, stop, workers, runtime.worker_kind))
    try:
        yield iterator
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()


def _count(runtime: Runtime) -> int:
    return (os.cpu_count() or 1) if runtime.workers < 0 else runtime.workers


def _dataset(
    load: Callable[[int], Batch], start: int, stop: int, workers: int, kind: str
) -> grain.IterDataset:
    positions = grain.MapDataset.range(start, stop).map(load)
    if kind == "processes" and workers > 0:
        inline = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
        options = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=_AHEAD)
        return positions.to_iter_dataset(inline).mp_prefetch(
            options, worker_init_fn=_end_with_trainer
        )
    ahead = workers + _AHEAD if workers else 0
    return positions.to_iter_dataset(
        grain.ReadOptions(num_threads=workers, prefetch_buffer_size=ahead)
    )


def _end_with_trainer(worker_index: int, worker_count: int) -> None:
    """Starts a watch that ends this worker when its parent is gone (grain leaves it running).

    Not PR_SET_PDEATHSIG: grain starts workers from helper threads, and that signal fires
    when the thread ends, not the process.
    """
    del worker_index, worker_count
    cv2.setNumThreads(0)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        sys.stderr.flush()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
