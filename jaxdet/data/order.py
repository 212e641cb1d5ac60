"""Which image stands where: everything random follows from (seed, epoch, index) alone.

That is why a run gives the same batches whatever the number of workers, threads or hosts,
and why its position is one integer, the step.
"""

import functools
import hashlib
import threading
from typing import NamedTuple

import numpy as np

# Streams keep the random numbers of different purposes apart.
ORDER, SUBSET, HOLD_OUT, NOISE, TWO_SHOT, RANDOM_CROPS, LINEUP = (0, 3, 4, 5, 6, 7, 10)


def random_generator(
    seed: int, *, stream: int, epoch: int = 0, index: int = 0
) -> np.random.Generator:
    """Returns a generator that no other (seed, stream, epoch, index) shares.

    Philox counts blocks of numbers in the lowest word of its counter; the names stand in
    the words above, so that streams cannot run into one another.
    """
    counter = np.array([0, index, epoch, stream], np.uint64)
    return np.random.Generator(np.random.Philox(key=seed, counter=counter))


class Stream(NamedTuple):
    """Names a sequence of random numbers.

    Attributes:
      seed: of the run.
      word: of a purpose.
      epoch: which.
      place: of the image in the set, or number of the batch.
    """

    seed: int
    word: int
    epoch: int
    place: int

    def random(self, n: int) -> list[float]:
        """Returns its first n numbers, in [0, 1)."""
        numbers: list[float] = self.generator().random(n).tolist()
        return numbers

    def generator(self) -> np.random.Generator:
        """Returns a generator at its beginning: the thread's own, until this is called again.

        It is set where the stream begins, as `random_generator` does it, in a quarter of the time.
        """
        if not hasattr(_own, "bits"):
            _own.bits = np.random.Philox(key=0)
            _own.generator, _own.state = np.random.Generator(_own.bits), _own.bits.state
        _own.state["state"]["key"][:] = _key(self.seed)
        _own.state["state"]["counter"][:] = (0, self.place, self.epoch, self.word)
        _own.bits.state = _own.state
        generator: np.random.Generator = _own.generator
        return generator

    def fresh(self) -> np.random.Generator:
        """Returns a generator at its beginning that nobody else has."""
        return random_generator(self.seed, stream=self.word, epoch=self.epoch, index=self.place)


class Streams(NamedTuple):
    """Holds what an image's random numbers follow from; each operation's name gives it its own.

    Attributes:
      seed: of the run.
      purpose: such as "train".
      epoch: which.
      image: its place in the set.
      batch: the number of its batch, where all of a batch share what is drawn; else None.
    """

    seed: int
    purpose: str
    epoch: int
    image: int
    batch: int | None = None

    def own(self, name: str) -> Stream:
        """Returns the stream of this name that the image shares with no other."""
        return Stream(self.seed, _word(f"{self.purpose} image {name}"), self.epoch, self.image)

    def shared(self, name: str) -> Stream:
        """Returns the stream of this name that all of the batch share; its own where none do."""
        if self.batch is None:
            return self.own(name)
        return Stream(self.seed, _word(f"{self.purpose} batch {name}"), self.epoch, self.batch)


_own = threading.local()


@functools.cache
def _key(seed: int) -> tuple[int, ...]:
    return tuple(np.random.Philox(key=seed).state["state"]["key"].tolist())


@functools.cache
def _word(name: str) -> int:
    """Returns a number for a name, above those of `random_generator`."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little") | 2**63


def steps_per_epoch(n: int, *, batch_size: int) -> int:
    """Returns the number of steps that show every one of n images at least once."""
    return -(-n // batch_size)


@functools.lru_cache(maxsize=2)  # workers stand in one epoch or at the edge of two
def epoch_order(n: int, *, seed: int, epoch: int, batch_size: int) -> np.ndarray:
    """Returns the indices of an epoch's images, i64 [steps_per_epoch, batch_size].

    A permutation of 0..n-1; the last batch is filled up from the beginning of the
    permutation (CNNDetection's last batch is short, which a compiled step cannot be).
    """
    order = random_generator(seed, stream=ORDER, epoch=epoch).permutation(n)
    steps = steps_per_epoch(n, batch_size=batch_size)
    return np.resize(order, (steps, batch_size))
