"""Decides which image stands where: all randomness follows from (seed, epoch, index) alone.

That is why a run gives the same batches whatever the number of workers, threads or hosts,
and why its position is one integer, the step.
"""

import dataclasses
import functools
import hashlib
import threading
from typing import NamedTuple

import numpy as np

# Streams keep the random numbers of different purposes apart.
ORDER, SUBSET, HOLD_OUT, NOISE, TWO_SHOT, RANDOM_CROPS, LINEUP, BASELINE, BALANCE, MIXING = (
    0, 3, 4, 5, 6, 7, 10, 11, 12, 13,
)  # fmt: skip
# Images are shuffled over blocks of so many bytes, and over as many blocks at least.
WINDOW_BYTES, _LEAST_BLOCKS = 128 * 2**20, 8


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
      deal: how often the image came before, where it may come again in an epoch; else None.
    """

    seed: int
    purpose: str
    epoch: int
    image: int
    batch: int | None = None
    deal: int | None = None

    def own(self, name: str) -> Stream:
        """Returns the stream of this name that the image shares with no other."""
        epoch = self.epoch if self.deal is None else self.deal
        return Stream(self.seed, _word(f"{self.purpose} image {name}"), epoch, self.image)

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


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Blocks:
    """Describes images that are cheap to read together, such as those of a row group.

    Attributes:
      number: i64 [N], block of each image.
      bytes: i64 [B], what reading a block takes.
      label: i32 [N], 1 = fake.
    """

    number: np.ndarray
    bytes: np.ndarray
    label: np.ndarray


def block_order(blocks: Blocks, rng: np.random.Generator, *, parts: int = 1) -> np.ndarray:
    """Returns a permutation of the images, i64 [N], that needs few blocks at a time.

    Blocks are drawn in random order, those of mostly real and mostly fake images in even turns,
    also where a dataset is sorted by label. Then the images of as many as fill a window are
    shuffled together, window after window; of `parts` orders that are read side by side each has
    its part of a window.
    """
    count = len(blocks.bytes)
    images = np.bincount(blocks.number, minlength=count)
    fakes = np.bincount(blocks.number, weights=blocks.label, minlength=count)
    place = np.empty(count)
    for own in (np.flatnonzero(2 * fakes > images), np.flatnonzero(2 * fakes <= images)):
        place[rng.permutation(own)] = (np.arange(len(own)) + rng.random(len(own))) / max(
            len(own), 1
        )
    drawn = np.argsort(place, kind="stable")
    least = max(1, _LEAST_BLOCKS // parts)
    window = max(WINDOW_BYTES // parts, least * int(blocks.bytes.max(initial=0)))
    of_block = np.empty(count, np.int64)
    of_block[drawn] = np.cumsum(blocks.bytes[drawn]) // window
    return np.lexsort((rng.random(len(blocks.number)), of_block[blocks.number]))


@functools.lru_cache(maxsize=2)  # workers stand in one epoch or at the edge of two
def epoch_order(
    n: int, *, seed: int, epoch: int, batch_size: int, blocks: Blocks | None = None
) -> np.ndarray:
    """Returns the indices of an epoch's images, i64 [steps_per_epoch, batch_size].

    A permutation of 0..n-1; the last batch is filled up from the beginning of the
    permutation (CNNDetection's last batch is short, which a compiled step cannot be).

    Args:
      n: images.
      seed: of the run.
      epoch: which.
      batch_size: of the global batch.
      blocks: in which the images lie; None where each is as cheap to read as any other.
    """
    rng = random_generator(seed, stream=ORDER, epoch=epoch)
    order = rng.permutation(n) if blocks is None else block_order(blocks, rng)
    steps = steps_per_epoch(n, batch_size=batch_size)
    return np.resize(order, (steps, batch_size))
