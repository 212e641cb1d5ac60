"""Keeps signals that are for the trainer from its input workers.

Ctrl-C and SLURM's warnings go to every process of a group. A worker that dies of one takes the
batch along that the trainer still waits for, and leaves a traceback. A blocked signal stays
blocked over fork and exec, so workers that are started while it is have them blocked from their
first instruction on; they end with their trainer all the same (see `pipeline.py`).
"""

import contextlib
import itertools
import signal
from collections.abc import Iterator
from typing import TypeVar

from jaxdet.data.shared_blocks import start_tracker
from jaxdet.errors import STOP_SIGNALS

Element = TypeVar("Element")


def started_blocked(elements: Iterator[Element]) -> Iterator[Element]:
    """Yields the elements of an iterator that starts its workers when asked for the first.

    The workers are started with signals blocked.
    """
    with signals_blocked():
        first = list(itertools.islice(elements, 1))
    yield from first
    yield from elements


@contextlib.contextmanager
def signals_blocked() -> Iterator[None]:
    """Blocks STOP_SIGNALS in threads and processes that are started in the body.

    This process goes on hearing them in its other threads.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        # Python's start of its tracker unblocks signals, so it must not happen in what follows.
        start_tracker()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
