"""Scoring one crop of each image: every one exactly once, whatever the batch size and devices."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from jaxdet.config import Runtime
from jaxdet.data.loaders import Batch, EvalLoader
from jaxdet.data.pipeline import open_batches
from jaxdet.evals.rows import RowKeeper, make_rows, to_predictions
from jaxdet.models.detector import Detector, Variables
from jaxdet.progress import ProgressLine
from jaxdet.results import Predictions
from jaxdet.runtime.mesh import batch_sharding, one_step_late, put_batch, replicated
from jaxdet.runtime.stopping import StopPoint
from jaxdet.workdir.watchdog import expect_compilation, stage, waited

# What of a batch the host needs again, from all hosts.
_KEPT = ("valid", "sharpness")

PredictStep = Callable[[Variables, dict[str, jax.Array]], dict[str, jax.Array]]


def make_predict_step(detector: Detector, mesh: Mesh) -> PredictStep:
    """Returns a function (variables, batch) -> logit f32 [B], valid and sharpness, replicated."""

    def step(variables: Variables, batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
        expect_compilation()
        kept = {name: batch[name] for name in _KEPT}
        return {"logit": detector.apply(variables, batch["image"]), **kept}

    whole, cut = replicated(mesh), batch_sharding(mesh)
    return jax.jit(step, in_shardings=(whole, cut), out_shardings=whole)


def predict(
    loader: EvalLoader, step: PredictStep, variables: Variables, *, mesh: Mesh, runtime: Runtime
) -> Predictions:
    """Returns the scores of all images of the loader's set, in its order; nothing goes to disk.

    Args:
      loader: gives the batches.
      step: from `make_predict_step` on the same mesh.
      variables: placed on the mesh.
      mesh: the devices.
      runtime: workers of the input.

    Raises:
      RunFailedError: where a logit is not finite, or an image was scored twice or never.
    """
    images = loader.read.images
    rows = score_crops(
        loader, step, variables, RowKeeper(), mesh=mesh, runtime=runtime,
        title=f"score {images.name}",
    )  # fmt: skip
    return to_predictions(images, rows, skip_bad=loader.read.skip_bad, fingerprint="")


def score_crops(
    loader: EvalLoader,
    step: PredictStep,
    variables: Variables,
    keeper: RowKeeper,
    *,
    mesh: Mesh,
    runtime: Runtime,
    title: str,
) -> np.ndarray:
    """Returns a row, ROW [n], for each readable image of the loader's set, in order.

    Batches whose rows the keeper has are neither read nor scored again. A signal ends the work
    after a batch.

    Args:
      loader: gives the batches.
      step: from `make_predict_step` on the same mesh.
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
    first = _begin(keeper.position) // size
    keeper.go_back(first * size)
    with (
        open_batches(loader, start=first, stop=loader.steps, runtime=runtime) as batches,
        ProgressLine(title, total=n, done=min(first * size, n), unit="images") as progress,
    ):
        named = waited(batches, f"waiting for images to {title}")
        launched = _launch(named, step, variables, mesh)
        for number, scored in enumerate(one_step_late(launched, fetch), first):
            keeper.add(_rows(scored, number * size), position=(number + 1) * size)
            progress.advance(int(scored["valid"].sum()))
            if signum := stop.reached():
                keeper.stop(signum, together=True)
    return keeper.rows


def _begin(position: int) -> int:
    """Returns the position from which all hosts go on: the least of theirs."""
    if jax.process_count() == 1:
        return position
    return int(np.min(multihost_utils.process_allgather(np.array([position], np.int32))))


def _launch(
    batches: Iterator[Batch], step: PredictStep, variables: Variables, mesh: Mesh
) -> Iterator[dict[str, jax.Array]]:
    for batch in batches:
        used = {name: batch[name] for name in ("image", *_KEPT)}  # type: ignore[literal-required]
        with stage("launching a batch to score"):
            launched = step(variables, put_batch(mesh, used))
        yield launched


def fetch(arrays: Any) -> Any:
    """Returns a batch's results on the host, under the watchdog."""
    with stage("a batch on the device"):
        return jax.device_get(arrays)


def _rows(scored: dict[str, np.ndarray], begin: int) -> np.ndarray:
    valid = np.flatnonzero(scored["valid"])
    columns = (begin + valid, scored["logit"][valid], scored["sharpness"][valid])
    return make_rows(
        (image, 0, 1, 1.0, logit, sharpness)
        for image, logit, sharpness in zip(*(column.tolist() for column in columns), strict=True)
    )
