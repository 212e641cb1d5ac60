"""Work done ahead in threads, in order, within a bound on what may wait."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from jaxdet.data.failures import named_failures
from jaxdet.data.opencv import cv2

Result = TypeVar("Result")

# Threads at most: images of many megapixels are decoded in them.
_MOST_WORKERS = 16


def in_order(
    work: Callable[[int], Result],
    places: Sequence[int],
    *,
    cost: Callable[[int], int],
    budget: int,
    workers: int = -1,
) -> Iterator[Result]:
    """Yields work(place) for each place, in order; errors come out where their result would.

    Ours come out as they are, others as RunFailedError.

    Args:
      work: may run in several threads.
      places: what to work on.
      cost: of a place, from 0.
      budget: the costs of what is in the making or waits stay within it, but for the one result
        that the consumer waits for.
      workers: threads; -1: one per core, 0: none, in line.
    """
    return named_failures(_in_order(work, places, cost, budget, workers))


def _in_order(
    work: Callable[[int], Result],
    places: Sequence[int],
    cost: Callable[[int], int],
    budget: int,
    workers: int,
) -> Iterator[Result]:
    if workers == 0:
        yield from map(work, places)
        return
    # OpenCV's own threads would fight with ours for the same cores.
    cv2.setNumThreads(0)
    threads = min(os.cpu_count() or 1 if workers < 0 else workers, _MOST_WORKERS)
    waiting: deque[tuple[int, Future[Result]]] = deque()
    spent = 0
    pool = ThreadPoolExecutor(threads)
    try:
        for place in places:
            price = cost(place)
            while waiting and (spent + price > budget or len(waiting) > 4 * threads):
                paid, future = waiting.popleft()
                result = future.result()
                spent -= paid
                yield result
                # Not held while the next one is waited for.
                del result, future
            waiting.append((price, pool.submit(work, place)))
            spent += price
        while waiting:
            yield waiting.popleft()[1].result()
    finally:
        pool.shutdown(cancel_futures=True)
