"""Runs work ahead in threads, in order, within a bound on what may wait."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from jaxdet.data.opencv import cv2

Item = TypeVar("Item")
Result = TypeVar("Result")

# Pixels of the images that are decoded or wait in memory, and about the bytes that each takes.
AHEAD_PIXELS, PIXEL_BYTES = 2**25, 20
# Threads at most: images of many megapixels are decoded in them.
_MOST_WORKERS = 16


def in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    cost: Callable[[Item], int],
    budget: int,
    workers: int = -1,
) -> Generator[Result]:
    """Yields work(item) for each item, in order; errors come out where their result would.

    Args:
      work: may run in several threads.
      items: what to work on, taken as it is needed.
      cost: of an item, from 0.
      budget: the costs of what is in the making or waits stay within it, but for the one result
        that the consumer waits for.
      workers: threads; -1: one per core, 0: none, in line.
    """
    if workers == 0:
        yield from map(work, items)
        return
    # OpenCV's own threads would fight with ours for the same cores.
    cv2.setNumThreads(0)
    threads = min(os.cpu_count() or 1 if workers < 0 else workers, _MOST_WORKERS)
    waiting: deque[tuple[int, Future[Result]]] = deque()
    spent = 0
    pool = ThreadPoolExecutor(threads)
    try:
        for item in items:
            price = cost(item)
            while waiting and (spent + price > budget or len(waiting) > 4 * threads):
                paid, future = waiting.popleft()
                result = future.result()
                spent -= paid
                yield result
                # Not held while the next one is waited for.
                del result, future
            waiting.append((price, pool.submit(work, item)))
            spent += price
        while waiting:
            yield waiting.popleft()[1].result()
    finally:
        pool.shutdown(cancel_futures=True)
