"""Scoring the images of a set, every one exactly once, whatever the batch size and devices."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from jaxdet.config.runtime import Runtime
from jaxdet.data.failures import named_failures
from jaxdet.data.feature_loaders import FeatureEvalLoader
from jaxdet.data.loaders import EvalLoader
from jaxdet.data.pipeline import open_batches
from jaxdet.models.detector import Variables
from jaxdet.progress import ProgressLine
from jaxdet.results import Predictions
from jaxdet.runtime.stopping import StopPoint
from jaxdet.scoring.ahead import AHEAD_PIXELS, in_order
from jaxdet.scoring.loader import PieceLoader
from jaxdet.scoring.pieces import Piece
from jaxdet.scoring.rows import ROW, RowKeeper, finished_images, gather, to_predictions
from jaxdet.scoring.scorer import Scorer, ScoreStep, score_batches
from jaxdet.workdir.signals import requested
from jaxdet.workdir.watchdog import waited


def predict(
    loader: EvalLoader | FeatureEvalLoader,
    step: ScoreStep,
    variables: Variables,
    *,
    mesh: Mesh,
    runtime: Runtime,
) -> Predictions:
    """Returns the scores of all images of the loader's set, in its order; nothing goes to disk.

    Arguments are those of `score_crops`.

    Raises:
      RunFailedError: where a logit is not finite, or an image was scored twice or never.
    """
    images = loader.read.images
    title = f"score {images.name}"
    rows = score_crops(
        loader, step, variables, RowKeeper(), mesh=mesh, runtime=runtime, title=title
    )
    return to_predictions(images, rows, skip_bad=loader.read.skip_bad, fingerprint="")


def score_crops(
    loader: EvalLoader | FeatureEvalLoader,
    step: ScoreStep,
    variables: Variables,
    keeper: RowKeeper,
    *,
    mesh: Mesh,
    runtime: Runtime,
    title: str,
) -> np.ndarray:
    """Returns a row, ROW [n], for each readable image of the loader's set, in order.

    The hosts score each batch together. Batches whose rows the keeper has are neither read nor
    scored again. A signal ends the work after a batch.

    Args:
      loader: gives the batches.
      step: from `make_score_step` on the same mesh.
      variables: placed on the mesh.
      keeper: of the rows.
      mesh: the devices.
      runtime: workers of the input.
      title: of the progress line.

    Raises:
      Stopped: where a signal asked for the end; the keeper has saved its rows.
    """
    stop = StopPoint(mesh)
    n, size = len(loader.read.images), loader.batch_size
    first = _least_position(keeper.position) // size
    keeper.go_back(first * size)
    with (
        open_batches(loader, start=first, stop=loader.steps, runtime=runtime) as batches,
        ProgressLine(title, total=n, done=min(first * size, n), unit="images") as progress,
    ):
        read = waited(batches, f"waiting for images to {title}")
        tagged = (
            (number, {"image": b["image"], "valid": b["valid"], "sharpness": b["sharpness"]})
            for number, b in enumerate(read, first)
        )
        for number, scored in score_batches(step, variables, tagged, mesh=mesh):
            keeper.add(_crop_rows(scored, number * size), position=(number + 1) * size)
            progress.advance(int(scored["valid"].sum()))
            if signum := stop.reached():
                keeper.stop(signum, together=True)
    return keeper.rows


def _least_position(position: int) -> int:
    """Returns the position from which all hosts go on: the least of theirs."""
    if jax.process_count() == 1:
        return position
    return int(np.min(multihost_utils.process_allgather(np.array([position], np.int32))))


def _crop_rows(scored: dict[str, np.ndarray], begin: int) -> np.ndarray:
    valid = np.flatnonzero(scored["valid"])
    rows = np.zeros(len(valid), ROW)
    rows["image"], rows["of"], rows["share"] = begin + valid, 1, 1.0
    rows["logit"], rows["sharpness"] = scored["logit"][valid], scored["sharpness"][valid]
    return rows


def score_pieces(
    load: PieceLoader,
    places: Sequence[int],
    scorer: Scorer,
    keeper: RowKeeper,
    *,
    runtime: Runtime,
    title: str,
) -> np.ndarray:
    """Returns rows, ROW [n], of the pieces of the images at the given places of the set.

    Several hosts score an image each in turn, and each gets all rows. Pieces whose rows the keeper
    has are not scored again, nor are images read of which it has all. A signal ends the work after
    a batch, on the host that received it.

    Raises:
      BadImageError: for an unreadable image under the policy "stop".
      Stopped: where a signal asked for the end; the keeper has saved its rows.
    """
    mine = places[jax.process_index() :: jax.process_count()]
    done = set(finished_images(keeper.rows))
    left = [place for place in mine if place not in done]
    with ProgressLine(title, total=len(mine), done=len(mine) - len(left), unit="images") as line:
        ahead = named_failures(
            in_order(load, left, cost=load.cost, budget=AHEAD_PIXELS, workers=runtime.workers)
        )
        read = waited(ahead, f"waiting for images to {title}")
        pieces = _unscored(read, keeper.rows, line)
        for scored in scorer(pieces, in_crops=load.protocol.in_crops):
            rows = [(p.owner, p.number, p.of, p.share, x, p.sharpness) for p, x in scored]
            keeper.add(np.array(rows, ROW))
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
