"""From batches to logits: one compiled program for each shape of batches."""

from collections import defaultdict
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
    own_mesh,
    own_replicas,
    platform,
    put_batch,
    replicated,
)
from jaxdet.scoring.batches import PieceBatch, Shapes, batch_pixels, batches
from jaxdet.scoring.pieces import Piece
from jaxdet.workdir.watchdog import expect_compilation, stage

ScoreStep = Callable[[Variables, dict[str, jax.Array]], dict[str, jax.Array]]
Tag = TypeVar("Tag")

# Lone images of about one size after which compiling a shape that fits them closely pays.
_OFTEN = 1000


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


class Scorer:
    """Maps pieces of any size to logits, on this process's devices.

    Attributes:
      variables: replicated over these.
      shapes: of the batches so far, each compiled once.
      lengths: of short batches of crops that somebody had compiled beforehand.
    """

    def __init__(
        self,
        detector: Detector,
        variables: Variables,
        mesh: Mesh,
        *,
        lone: bool = False,
        memory: int | None = None,
    ):
        """Takes a detector on a mesh, of which this process's devices are used.

        Args:
          detector: the network.
          variables: replicated over the mesh.
          mesh: devices.
          lone: whether images may come one at a time, so that nobody waits for more compilations
            or longer batches than these need; otherwise thousands repay them.
          memory: bytes of a device, by which batches of crops are as long as it can hold.
        """
        self._mesh, self._lone, self._memory = own_mesh(mesh), lone, memory
        self._step = make_score_step(detector, self._mesh)
        self.variables = own_replicas(mesh, variables)
        # None for a network that does not take any size: it gets crops of one side, and no sizes.
        any_size = detector.architecture.any_size
        self._find = Shapes(often=_OFTEN if lone else 0) if any_size else None
        self.shapes: set[tuple[int, ...]] = set()
        self.lengths: tuple[int, ...] = ()

    def __call__(
        self, pieces: Iterable[Piece], *, in_crops: bool, lengths: tuple[int, ...] = ()
    ) -> Iterator[list[tuple[Piece, float]]]:
        """Yields batches as they fill up: pieces, each with its logit.

        Args:
          pieces: of any images.
          in_crops: whether all of them are squares of one side.
          lengths: of short batches, beside those that are compiled.
        """
        kind = platform(self._mesh)
        # Lone whole images have one program a shape: of one place on a CPU, else of a full batch.
        is_alone = self._lone and not in_crops and kind == "cpu"
        filled = batches(
            pieces,
            pixels=0 if is_alone else batch_pixels(kind, self._memory if in_crops else None),
            find=None if in_crops else self._find,
            devices=self._mesh.size,
            full=not (self._lone and in_crops),
            lengths=(*self.lengths, *lengths),
            sizes=self._find is not None,
        )
        noted = map(self._noted, filled)
        for scored, results in score_batches(self._step, self.variables, noted, mesh=self._mesh):
            logits = results["logit"][: len(scored)].tolist()
            yield list(zip(scored, logits, strict=True))

    def _noted(self, batch: PieceBatch) -> PieceBatch:
        self.shapes.add(batch[1]["image"].shape)
        return batch


def image_logits(scored: Iterable[list[tuple[Piece, float]]]) -> dict[int, float]:
    """Returns the logit of each image by its number: those of its pieces, each by its share."""
    logits: dict[int, float] = defaultdict(float)
    for batch in scored:
        for piece, logit in batch:
            logits[piece.owner] += piece.share * logit
    return dict(logits)
