"""Scores the images of all clients together: one thread holds the model, and takes what waits."""

import asyncio
import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Sequence

from jaxdet.predict.detector import LoadedDetector
from jaxdet.predict.files import Opened
from jaxdet.predict.rows import Answer, score_images
from jaxdet.scoring.protocol import Protocol
from jaxdet.serve.limits import Limits, RefusedError

# Images that one call of the detector takes at most: so long does nobody new wait.
MOST = 32


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
        detector: LoadedDetector,
        protocol: Protocol,
        limits: Limits,
        *,
        scored: Callable[[int], None] = lambda count: None,
    ):
        """Starts the thread.

        Args:
          detector: what scores.
          protocol: what of the images is scored; they have been reduced to it.
          limits: of the queue and the waiting.
          scored: called with the number of images of each batch.
        """
        self._detector, self._protocol, self._limits = detector, protocol.reduced, limits
        self._scored = scored
        self._held = 0
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="scoring", daemon=True)
        self._thread.start()

    @property
    def held(self) -> int:
        """Returns the number of images that wait or are being scored."""
        return self._held

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

    def stop(self) -> None:
        """Ends the thread after what waits was scored."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            # Who ran out of time waits no longer.
            batch = [one for one in self._gather(first) if not one.future.done()]
            if not batch:
                continue
            try:
                answers: Sequence[Answer | str] = score_images(
                    self._detector, (one.image for one in batch), self._protocol
                )
            except Exception as error:
                for one in batch:
                    one.loop.call_soon_threadsafe(_fail, one.future, error)
                continue
            self._scored(len(batch))
            for one, answer in zip(batch, answers, strict=True):
                one.loop.call_soon_threadsafe(_answer, one.future, answer)

    def _gather(self, first: _Waiting) -> list[_Waiting]:
        """Returns what waits, and what comes within the limit; the thread's end stays in line."""
        batch = [first]
        until = time.monotonic() + self._limits.wait
        while len(batch) < MOST:
            try:
                found = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if found is None:
                self._queue.put(None)
                break
            batch.append(found)
        return batch


def _answer(future: "asyncio.Future[Answer | str]", answer: Answer | str) -> None:
    if not future.done():  # its request may have run out of time
        future.set_result(answer)


def _fail(future: "asyncio.Future[Answer | str]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
