"""Deep image priors fitted per second: many networks at once by vmap, beside one after the other.

An "image" here is one update of one image's network; a fake of the published kind takes 6000. Many
are spread over the devices as `data synth` does; one after the other uses the first device.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from jaxdet.datasets.makers.dip import DipSettings, make_prior
from jaxdet.runtime.mesh import batch_sharding, make_even_mesh


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Describes what to measure.

    Attributes:
      settings: of the networks; `at_once` of them are trained.
      updates: of each network in a turn.
      rounds: turns of each row.
    """

    settings: DipSettings = field(default_factory=DipSettings)
    updates: int
    rounds: int


def measure_prior(plan: Plan, *, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Returns the rows of `bench dip`: vmap, then its reference; medians of alternating turns.

    Raises:
      AssertionError: where the two ways do not end with the same losses.
    """
    count, side = plan.settings.at_once, plan.settings.size
    rows = np.arange(count, dtype=np.int32)
    target = np.asarray(jax.random.uniform(jax.random.key(1), (count, side, side, 3)))
    turns = []
    for turn in range(plan.rounds + 1):
        together, found = _timed(plan, [rows], target)
        alone, expected = _timed(plan, np.split(rows, count), target)
        np.testing.assert_allclose(found, expected, rtol=0.05)
        if turn:  # the first one compiles
            turns.append((together, alone))
            say(f"turn {turn}: {together:.2f} s at once, {alone:.2f} s one by one")
    speeds = [
        count * plan.updates / statistics.median(column) for column in zip(*turns, strict=True)
    ]
    names = (f"dip, {count} at once", "reference: dip, one by one")
    return [
        {
            "what": name,
            "images_per_second": round(speed, 2),
            "ratio_to_reference": round(speed / speeds[1], 3),
        }
        for name, speed in zip(names, speeds, strict=True)
    ]


def _timed(plan: Plan, groups: list[np.ndarray], target: np.ndarray) -> tuple[float, np.ndarray]:
    """Returns the seconds of the updates alone, and the last loss of each network."""
    mesh = make_even_mesh(len(groups[0]))
    prior = make_prior(plan.settings, mesh)
    states = [jax.block_until_ready(prior.init(rows)) for rows in groups]
    targets = [jax.device_put(target[rows], batch_sharding(mesh)) for rows in groups]
    began, losses = time.perf_counter(), []
    for state, own in zip(states, targets, strict=True):
        for _ in range(plan.updates):
            state, loss = prior.update(state, own)
        losses.append(np.asarray(loss))
    return time.perf_counter() - began, np.concatenate(losses)
