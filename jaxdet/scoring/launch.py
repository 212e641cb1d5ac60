"""Scores batches by a compiled program, which computes the next while one goes to the host."""

from collections.abc import Callable, Iterable, Iterator
from itertools import starmap
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh

from jaxdet.models.detector import Detector, Variables
from jaxdet.runtime.mesh import (
    batch_sharding,
    one_ahead,
    one_step_late,
    platform,
    put_batch,
    replicated,
)
from jaxdet.workdir.watchdog import expect_compilation, stage

ScoreStep = Callable[[Variables, dict[str, jax.Array]], dict[str, jax.Array]]
Tag = TypeVar("Tag")


def make_score_step(detector: Detector, mesh: Mesh) -> ScoreStep:
    """Returns a function (variables, batch) -> logit f32 [B] and what else the batch holds.

    A batch holds `image`, `size` where images do not fill their places, and anything that all
    hosts need again. All of the results is replicated.
    """

    def step(variables: Variables, batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
        expect_compilation()
        others = {name: batch[name] for name in batch if name not in ("image", "size")}
        return {"logit": detector.apply(variables, batch["image"], batch.get("size")), **others}

    everywhere = replicated(mesh)
    return jax.jit(
        step,
        in_shardings=(everywhere, batch_sharding(mesh)),
        out_shardings=everywhere,
        compiler_options=detector.compiler_options,
    )


def score_batches(
    step: ScoreStep,
    variables: Variables,
    tagged: Iterable[tuple[Tag, dict[str, np.ndarray]]],
    *,
    mesh: Mesh,
) -> Iterator[tuple[Tag, dict[str, np.ndarray]]]:
    """Yields each batch's tag, and its scores on the host, while the devices compute the next.

    A CPU computes one batch after the other: two at once would hold the maps of both.

    Args:
      step: from `make_score_step` on the same mesh.
      variables: replicated over the mesh.
      tagged: batches, each with what the caller knows it by; of several hosts, each one's shard.
      mesh: the devices.
    """

    def place(tag: Tag, batch: dict[str, np.ndarray]) -> tuple[Tag, dict[str, jax.Array]]:
        with stage("placing a batch to score"):
            return tag, put_batch(mesh, batch)

    def launch(tag: Tag, placed: dict[str, jax.Array]) -> tuple[Tag, dict[str, jax.Array]]:
        with stage("launching a batch to score"):
            return tag, step(variables, placed)

    launched = starmap(launch, one_ahead(mesh, starmap(place, tagged)))
    on_cpu = platform(mesh) == "cpu"
    return map(_fetch, launched) if on_cpu else one_step_late(launched, _fetch)


def _fetch(launched: tuple[Any, dict[str, jax.Array]]) -> tuple[Any, dict[str, np.ndarray]]:
    with stage("a batch on the device"):
        return launched[0], jax.device_get(launched[1])
