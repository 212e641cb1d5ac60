"""Fits deep image priors, many networks at once by `vmap` and one after the other, in turns.

    python -m tests.bench.prior_check [--size=128] [--width=128] [--levels=5] [--at-once=8]
        [--updates=10] [--rounds=3]

Many are spread over the devices as `data synth` does; one after the other uses the first device. A
fake of the published kind takes 6000 updates.
"""

import argparse
import statistics
import time

import jax
import numpy as np

from jaxdet.datasets.makers.dip import DipSettings, make_prior
from jaxdet.runtime.memory import keep_freed_memory
from jaxdet.runtime.mesh import batch_sharding, make_even_mesh

DEFAULTS = {"size": 128, "width": 128, "levels": 5, "at-once": 8, "updates": 10, "rounds": 3}


def main() -> None:
    """Prints updates per second of both ways, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    for flag, default in DEFAULTS.items():
        parser.add_argument(f"--{flag}", type=int, default=default)
    options = vars(parser.parse_args())
    keep_freed_memory()
    updates, rounds = options.pop("updates"), options.pop("rounds")
    settings = DipSettings(network="hourglass", **options)
    together, alone = measure(settings, updates=updates, rounds=rounds)
    print(f"{together:.2f} updates/s at once, {alone:.2f} one by one: {together / alone:.3f} times")


def measure(settings: DipSettings, *, updates: int, rounds: int) -> tuple[float, float]:
    """Returns the updates per second of both ways: medians of the turns after the first.

    Raises:
      AssertionError: where the two ways do not end with the same losses.
    """
    count, side = settings.at_once, settings.size
    rows = np.arange(count, dtype=np.int32)
    target = np.asarray(jax.random.uniform(jax.random.key(1), (count, side, side, 3)))
    turns = []
    for _ in range(rounds + 1):
        together, found = timed(settings, [rows], target, updates)
        alone, expected = timed(settings, np.split(rows, count), target, updates)
        np.testing.assert_allclose(found, expected, rtol=0.05)
        turns.append((together, alone))
    # The first turn compiles.
    together, alone = (statistics.median(column) for column in zip(*turns[1:], strict=True))
    return count * updates / together, count * updates / alone


def timed(
    settings: DipSettings, groups: list[np.ndarray], target: np.ndarray, updates: int
) -> tuple[float, np.ndarray]:
    """Returns the seconds of the updates alone, and the last loss of each network."""
    mesh = make_even_mesh(len(groups[0]))
    prior = make_prior(settings, mesh)
    states = [jax.block_until_ready(prior.init(rows)) for rows in groups]
    targets = [jax.device_put(target[rows], batch_sharding(mesh)) for rows in groups]
    began, losses = time.perf_counter(), []
    for state, own in zip(states, targets, strict=True):
        for _ in range(updates):
            state, loss = prior.update(state, own)
        losses.append(np.asarray(loss))
    return time.perf_counter() - began, np.concatenate(losses)


if __name__ == "__main__":
    main()
