"""Scoring images in pieces: whole images of any size, several crops of each."""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxdet.config import Runtime
from jaxdet.data.ahead import in_order
from jaxdet.data.buckets import Buckets, PieceBatch, batch_pixels, batches, exact
from jaxdet.data.parts import PieceLoader
from jaxdet.data.pieces import Piece
from jaxdet.evals.predict import fetch
from jaxdet.evals.rows import RowKeeper, finished_images, gather, make_rows
from jaxdet.models.detector import Detector, Variables
from jaxdet.progress import ProgressLine
from jaxdet.runtime.mesh import one_step_late, own_mesh, put_batch, put_replicated
from jaxdet.workdir.signals import requested
from jaxdet.workdir.watchdog import expect_compilation, stage, waited

# Pixels of the images that are read ahead or wait in memory, at about 20 bytes a pixel.
_AHEAD_PIXELS = 2**25


class PieceScorer:
    """Maps pieces of any size to logits, on this host's devices.

    Attributes:
      shapes: of the batches so far, each compiled once.
    """

    def __init__(self, detector: Detector, variables: Variables, mesh: Mesh):
        """Takes variables on the host; of the mesh, this host's devices are used."""
        self._mesh = own_mesh(mesh)
        self._apply = jax.jit(_expecting(detector.apply))
        self._on_host = variables
        # A network that does not take any size gets crops of one size alone, and no extents.
        self._any_size = detector.architecture.any_size
        self._find = Buckets() if self._any_size else exact
        self.shapes: set[tuple[int, ...]] = set()

    def __call__(self, pieces: Iterable[Piece]) -> Iterator[tuple[PieceBatch, np.ndarray]]:
        """Yields batches as they fill up, each with the logits f32 [n] of its pieces."""
        filled = batches(
            pieces,
            pixels=batch_pixels(self._mesh.devices.flat[0].platform),
            find=self._find,
            devices=self._mesh.size,
            full=True,
        )
        launched = ((batch, self._launch(batch)) for batch in filled)
        for batch, logits in one_step_late(launched, fetch):
            yield batch, logits[: len(batch.pieces)]

    @functools.cached_property
    def _variables(self) -> Variables:
        placed: Variables = put_replicated(self._mesh, self._on_host)
        return placed

    def _launch(self, batch: PieceBatch) -> jax.Array:
        self.shapes.add(batch.image.shape)
        with stage("launching a batch to score"):
            placed = put_batch(self._mesh, {"image": batch.image, "size": batch.size})
            sizes = (placed["size"],) if self._any_size else ()
            logits: jax.Array = self._apply(self._variables, placed["image"], *sizes)
        return logits


def _expecting(apply: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    def expecting(*arguments: Any) -> jax.Array:
        expect_compilation()
        return apply(*arguments)

    return expecting


def score_pieces(
    load: PieceLoader,
    places: Sequence[int],
    scorer: PieceScorer,
    keeper: RowKeeper,
    *,
    runtime: Runtime,
    title: str,
) -> np.ndarray:
    """Returns rows, ROW [n], of the pieces of the images at the given places of the set.

    Pieces whose rows the keeper has are not scored again, nor are images read of which it has
    all. Several hosts score an image each in turn, and each gets all rows. A signal ends the work
    after a batch, on the host that received it.

    Raises:
      BadImageError: for an unreadable image under the policy "stop".
      Stopped: where a signal asked for the end; the keeper has saved its rows.
    """
    mine = places[jax.process_index() :: jax.process_count()]
    done = set(finished_images(keeper.rows))
    left = [place for place in mine if place not in done]
    with ProgressLine(title, total=len(mine), done=len(mine) - len(left), unit="images") as line:
        ahead = in_order(
            load, left, cost=load.cost, budget=_AHEAD_PIXELS, workers=runtime.workers
        )  # fmt: skip
        named = waited(ahead, f"waiting for images to {title}")
        for batch, logits in scorer(_unscored(named, keeper.rows, line)):
            keeper.add(
                make_rows(
                    (p.owner, p.number, p.of, p.share, logit, p.sharpness)
                    for p, logit in zip(batch.pieces, logits.tolist(), strict=True)
                )
            )
            if signum := requested():
                keeper.stop(signum, together=False)
    # Rows that an earlier start on fewer hosts kept are scored by the host whose turn it is now.
    return gather(keeper.rows[np.isin(keeper.rows["image"], np.asarray(mine))])


def _unscored(
    images: Iterable[list[Piece]], rows: np.ndarray, line: ProgressLine
) -> Iterator[Piece]:
    scored: dict[int, set[int]] = defaultdict(set)
    for place, number in zip(rows["image"].tolist(), rows["piece"].tolist(), strict=True):
        scored[place].add(number)
    for pieces in images:
        yield from (p for p in pieces if p.number not in scored[p.owner])
        line.advance()
