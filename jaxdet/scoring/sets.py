"""Scores one crop of each image of a set exactly once, whatever the batch size and devices."""

from typing import Protocol

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from jaxdet.config.runtime import Runtime
from jaxdet.data.pipeline import Loader, open_batches
from jaxdet.data.readers import Reader
from jaxdet.models.detector import Variables
from jaxdet.progress import ProgressLine
from jaxdet.results.arrays import Predictions
from jaxdet.runtime.stopping import StopPoint
from jaxdet.scoring.launch import ScoreStep, score_batches
from jaxdet.scoring.rows import ROW, RowKeeper, to_predictions
from jaxdet.workdir.watchdog import waited


class SetLoader(Loader, Protocol):
    """Makes the batch of each number, of images in the order of their set; the last is padded."""

    @property
    def read(self) -> Reader:
        """Returns the reader of the images."""

    @property
    def batch_size(self) -> int:
        """Returns the number of rows in a batch, over all hosts."""

    @property
    def steps(self) -> int:
        """Returns the number of batches that hold all images."""


def predict(
    loader: SetLoader,
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
    loader: SetLoader,
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
