"""Scoring a set: every image exactly once, whatever the batch size and the devices."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxdet.config import Runtime
from jaxdet.data.loaders import Batch, EvalLoader
from jaxdet.data.pipeline import open_batches
from jaxdet.errors import RunFailedError
from jaxdet.models.detector import Detector, Variables
from jaxdet.progress import ProgressLine
from jaxdet.results import Predictions
from jaxdet.runtime.mesh import batch_sharding, put_batch, replicated

# What of a batch the host needs again, from all hosts.
_KEPT = ("valid", "sharpness")

PredictStep = Callable[[Variables, dict[str, jax.Array]], dict[str, jax.Array]]


def make_predict_step(detector: Detector, mesh: Mesh) -> PredictStep:
    """A function (variables, batch) -> logit f32 [B], valid and sharpness, whole on each device."""

    def step(variables: Variables, batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
        kept = {name: batch[name] for name in _KEPT}
        return {"logit": detector.apply(variables, batch["image"]), **kept}

    whole, cut = replicated(mesh), batch_sharding(mesh)
    return jax.jit(step, in_shardings=(whole, cut), out_shardings=whole)


def predict(
    loader: EvalLoader,
    step: PredictStep,
    variables: Variables,
    *,
    mesh: Mesh,
    runtime: Runtime,
    fingerprint: str = "",
) -> Predictions:
    """The scores of all images of the loader's set, in its order.

    Args:
      loader: gives the batches.
      step: from `make_predict_step` on the same mesh.
      variables: placed on the mesh.
      mesh: the devices.
      runtime: workers of the input.
      fingerprint: goes into the result.

    Raises:
      RunFailedError: where a logit is not finite, or an image was scored twice or never.
    """
    images = loader.read.images
    rows: list[dict[str, np.ndarray]] = []
    with (
        open_batches(loader, start=0, stop=loader.steps, runtime=runtime) as batches,
        ProgressLine(f"score {images.name}", total=len(images), unit="images") as progress,
    ):
        for scored in _one_step_late(_launch(batches, step, variables, mesh)):
            rows.append(scored)
            progress.advance(int(scored["valid"].sum()))
    columns = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    return _predictions(loader, columns, fingerprint)


def _launch(
    batches: Iterator[Batch], step: PredictStep, variables: Variables, mesh: Mesh
) -> Iterator[dict[str, jax.Array]]:
    for batch in batches:
        used = {name: batch[name] for name in ("image", *_KEPT)}  # type: ignore[literal-required]
        yield step(variables, put_batch(mesh, used))


def _one_step_late(results: Iterator[Any]) -> Iterator[dict[str, np.ndarray]]:
    """Fetches each result while the next is computed."""
    waiting = None
    for result in results:
        if waiting is not None:
            yield jax.device_get(waiting)
        waiting = result
    yield jax.device_get(waiting)


def _predictions(
    loader: EvalLoader, columns: dict[str, np.ndarray], fingerprint: str
) -> Predictions:
    images, valid = loader.read.images, columns["valid"]
    scored = np.flatnonzero(valid)
    skipped = np.setdiff1d(np.arange(len(images)), scored)
    if len(scored) + len(skipped) != len(images) or (len(scored) and scored[-1] >= len(images)):
        raise RunFailedError(f"{images.name}: {len(scored)} scores for {len(images)} images")
    if len(skipped) and not loader.read.skip_bad:
        raise RunFailedError(f"{images.name}: {len(skipped)} images were not scored")
    logit = columns["logit"][scored]
    if not np.isfinite(logit).all():
        first = images.ids[scored[np.flatnonzero(~np.isfinite(logit))[0]]]
        raise RunFailedError(f"{images.name}: the score of {first} is not finite")
    ids = np.array(images.ids)
    return Predictions(
        id=ids[scored],
        label=images.labels[scored],
        logit=logit.astype(np.float32),
        sharpness=columns["sharpness"][scored],
        skipped=ids[skipped],
        fingerprint=fingerprint,
    )
