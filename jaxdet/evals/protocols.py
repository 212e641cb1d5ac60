"""The published evaluation: every test set by itself, centre crop, no resizing."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from jaxdet import config as schema
from jaxdet.data.images import ImageSet
from jaxdet.data.loaders import EvalLoader, Reader, Share
from jaxdet.errors import UserError
from jaxdet.evals.predict import make_predict_step, predict
from jaxdet.evals.published import Published
from jaxdet.evals.scores import (
    calibrate,
    mean_ap,
    mean_intervals,
    protocol_means,
    score_set,
)
from jaxdet.files import write_json
from jaxdet.models.detector import Detector, Variables
from jaxdet.progress import say
from jaxdet.results import (
    Calibration,
    Predictions,
    Results,
    RunFolder,
    SetResult,
    read_arrays,
    write_arrays,
)
from jaxdet.runtime.mesh import put_replicated


def evaluate(
    config: schema.Config,
    sets: Sequence[ImageSet],
    *,
    validation: ImageSet | None,
    detector: Detector,
    variables: Variables,
    weights: dict[str, Any],
    published: Published,
    run: RunFolder,
    mesh: Mesh,
) -> Results:
    """Scores the sets, writes `predictions/*.npz` and `results.json`, and gives the results.

    A set whose predictions are already there for the same weights, images and protocol is
    not scored again.

    Args:
      config: the run's.
      sets: what to score.
      validation: images of the training generator, scored as the sets are, from which the
        temperature and the thresholds come; None where there are none.
      detector: the network.
      variables: its weights, on the host.
      weights: what to say of them; "digest" enters the fingerprint of the predictions.
      published: the AP to stand beside ours.
      run: where to write.
      mesh: the devices.
    """
    step = make_predict_step(detector, mesh)
    placed = put_replicated(mesh, variables)
    scored = functools.partial(
        _scored, config, weights["digest"],
        lambda loader, fingerprint: predict(
            loader, step, placed, mesh=mesh, runtime=config.runtime, fingerprint=fingerprint
        ),
    )  # fmt: skip
    calibration = None
    if validation is not None:
        held_out = scored(validation, run.validation)
        calibration = calibrate(held_out, source=validation.name)
    rows, found = {}, {}
    for images in sets:
        rows[images.name] = scored(images, run.predictions(images.name))
        found[images.name] = _result(config, images, rows[images.name], published, calibration)
    results = Results(
        name=config.name,
        config_hash=schema.config_hash(config),
        weights={**weights, "published": published.row or None},
        sets=found,
        mean_ap=mean_ap(found),
        status="finished",
        calibration=calibration,
        means=protocol_means(found),
        mean_intervals=mean_intervals(rows, draws=config.evaluation.bootstrap, seed=config.seed),
    )
    write_json(run.results, results)
    return results


def _scored(
    config: schema.Config,
    weights: str,
    score: Callable[[EvalLoader, str], Predictions],
    images: ImageSet,
    path: Path,
) -> Predictions:
    """The scores of a set: those in the file where they still hold, or new ones, written there."""
    loader = _loader(config, images)
    fingerprint = _fingerprint(loader, weights)
    predictions = _cached(path, images.name, fingerprint)
    if predictions is None:
        predictions = score(loader, fingerprint)
        write_arrays(path, predictions)
    return predictions


def _loader(config: schema.Config, images: ImageSet) -> EvalLoader:
    return EvalLoader(
        read=Reader(
            images=images,
            max_pixels=config.data.max_pixels,
            skip_bad=config.data.on_bad_image == "skip",
        ),
        crop=config.eval_crop,
        batch_size=config.eval_batch_size,
        share=Share(host=jax.process_index(), hosts=jax.process_count()),
    )


def _fingerprint(loader: EvalLoader, weights: str) -> str:
    facts = f"{weights} {loader.read.images.fingerprint} crop{loader.crop}"
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def _cached(path: Path, name: str, fingerprint: str) -> Predictions | None:
    if not path.exists():
        return None
    predictions = read_arrays(path, Predictions)
    if predictions.fingerprint != fingerprint:
        return None
    say(f"{name}: scores are there already")
    return predictions


def _result(
    config: schema.Config,
    images: ImageSet,
    predictions: Predictions,
    published: Published,
    calibration: Calibration | None,
) -> SetResult:
    if len(set(predictions.label)) < 2:
        raise UserError(f"{images.place}: no readable images of one of the two labels")
    if len(predictions.skipped):
        say(f"{images.name}: {len(predictions.skipped)} unreadable images left out")
    return score_set(
        predictions,
        draws=config.evaluation.bootstrap,
        seed=config.seed,
        published_ap=published.ap.get(images.name),
        calibration=calibration,
    )
