"""Which image stands where: everything random follows from (seed, epoch, index) alone.

That is why a run gives the same batches whatever the number of workers, threads or hosts,
and why its position is one integer, the step.
"""

import functools

import numpy as np

# Streams keep the random numbers of different purposes apart.
(ORDER, TRAIN, VALIDATION, SUBSET, HOLD_OUT, NOISE, TWO_SHOT, RANDOM_CROPS, BATCH,
 VALIDATION_BATCH, LINEUP) = range(11)  # fmt: skip


def random_generator(
    seed: int, *, stream: int, epoch: int = 0, index: int = 0
) -> np.random.Generator:
    """Returns a generator that no other (seed, stream, epoch, index) shares.

    Philox counts blocks of numbers in the lowest word of its counter; the names stand in
    the words above, so that streams cannot run into one another.
    """
    counter = np.array([0, index, epoch, stream], np.uint64)
    return np.random.Generator(np.random.Philox(key=seed, counter=counter))


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
