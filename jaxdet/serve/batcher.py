"""Scores the images of all clients together: threads with the model take what waits.

Nobody waits where nothing is scored; while a batch is, the next one gathers. A CPU gains little by
batches and pays for places that are not filled: there each of up to four cores has a thread, which
takes as many images as a batch has, or one.
"""

import asyncio
import contextlib
import dataclasses
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence

from jaxdet.predict.base import AnyDetector
from jaxdet.predict.files import Opened
from jaxdet.predict.rows import Answer, score_images
from jaxdet.scoring.protocol import Protocol
from jaxdet.serve.limits import Limits, RefusedError
from jaxdet.workdir.cores import usable_cores

# Each holds the maps of a batch, and XLA shares each program out over the cores already.
_MOST_THREADS = 4
# Times the limit of a request after which a batch is said to hang.
_HANGING = 2


@dataclasses.dataclass
class _Waiting:
    image: Opened
    future: "asyncio.Future[Answer | str]"
    loop: asyncio.AbstractEventLoop


class Batcher:
    """Gives each image its answer, scored beside those of other requests.

    What an image scores does not depend on its neighbours beyond rounding.
    """

    def __init__(
        self,
        detector: AnyDetector,
        protocol: Protocol,
        limits: Limits,
        *,
        scored: Callable[[int], None] = lambda count: None,
    ):
        """Starts the threads.

        Args:
          detector: what scores.
          protocol: what of the images is scored; they have been reduced to it.
          limits: of the queue.
          scored: called with the number of images of each batch.
        """
        self._detector, self._protocol, self._limits = detector, protocol.reduced, limits
        self._scored = scored
        self._held = 0
        on_cpu = detector.platform == "cpu"
        # On a CPU whole images go one by one.
        one_by_one = on_cpu and not protocol.in_crops
        self._full = 1 if one_by_one else max(1, detector.few // max(1, protocol.crops))
        # Until batches of more are compiled.
        self._most = 1
        self._fewest = self._full if on_cpu else 2
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        count = min(usable_cores(), _MOST_THREADS) if on_cpu and protocol.in_crops else 1
        # When each thread began its batch; infinite where it has none.
        self._begun = [math.inf] * count
        self._threads = [
            threading.Thread(target=self._work, args=(number,), name="scoring", daemon=True)
            for number in range(count)
        ]
        for one in self._threads:
            one.start()

    @property
    def held(self) -> int:
        """Returns the number of images that wait or are being scored."""
        return self._held

    @property
    def hangs(self) -> bool:
        """Returns whether a thread has been scoring one batch for far too long."""
        return time.monotonic() - min(self._begun) > _HANGING * self._limits.request_seconds

    def use_full_batches(self) -> None:
        """Scores as many images together as a batch has, once that is compiled."""
        self._most = self._full

    def reserve(self, count: int) -> None:
        """Keeps places for some images, from the event loop.

        Raises:
          RefusedError: where they would be more than the queue holds.
        """
        if self._held + count > self._limits.queue:
            raise RefusedError(503, "too many images wait to be scored; try again in a second")
        self._held += count

    def release(self, count: int) -> None:
        """Gives places back, from the event loop."""
        self._held -= count

    async def score(self, image: Opened) -> Answer | str:
        """Returns the answer of an image for which there is a place."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer | str] = loop.create_future()
        self._queue.put(_Waiting(image, future, loop))
        return await future

    def stop(self) -> bool:
        """Ends the threads after what waits was scored; returns False where one hangs."""
        self._queue.put(None)
        until = time.monotonic() + _HANGING * self._limits.request_seconds
        for one in self._threads:
            one.join(max(0.0, until - time.monotonic()))
        return not any(one.is_alive() for one in self._threads)

    def _work(self, number: int) -> None:
        while (first := self._queue.get()) is not None:
            # Who ran out of time, or hung up, waits no longer.
            batch = [one for one in self._and_others(first) if not one.future.done()]
            self._begun[number] = time.monotonic()
            answers = self._answers(batch)
            self._begun[number] = math.inf
            for one, answer in zip(batch, answers, strict=True):
                # The loop is closed where the service ended and nobody waits any more.
                with contextlib.suppress(RuntimeError):
                    one.loop.call_soon_threadsafe(_settle, one.future, answer)
        self._queue.put(None)  # for the next thread

    def _answers(self, batch: list[_Waiting]) -> Sequence[Answer | str | Exception]:
        """Returns an answer, or what went wrong, for each image; one harms no other."""
        if not batch:
            return []
        try:
            answers = score_images(self._detector, (one.image for one in batch), self._protocol)
        except Exception as error:
            return [error] if len(batch) == 1 else [self._answers([one])[0] for one in batch]
        self._scored(len(batch))
        return answers

    def _and_others(self, first: _Waiting) -> list[_Waiting]:
        """Returns an image, and others that wait where they are enough; the end stays in line."""
        batch = [first]
        if self._queue.qsize() + 1 < self._fewest:
            return batch
        while len(batch) < self._most:
            try:
                found = self._queue.get_nowait()
            except queue.Empty:
                break
            if found is None:
                self._queue.put(None)
                break
            batch.append(found)
        return batch


def _settle(future: "asyncio.Future[Answer | str]", answer: Answer | str | Exception) -> None:
    if future.done():  # its request may have run out of time
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
