"""The published evaluation: every test set by itself, centre crop, no resizing."""

import hashlib
from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import Mesh

from jaxdet import config as schema
from jaxdet.data.images import ImageSet
from jaxdet.data.loaders import EvalLoader, Reader, Share
from jaxdet.errors import UserError
from jaxdet.evals.predict import make_predict_step, predict
from jaxdet.evals.published import Published
from jaxdet.evals.scores import mean_ap, score_set
from jaxdet.models.detector import Detector, Variables
from jaxdet.progress import say
from jaxdet.results import (
    Predictions,
    Results,
    RunFolder,
    SetResult,
    read_predictions,
    write_json,
    write_predictions,
)
from jaxdet.runtime.mesh import put_replicated


def evaluate(
    config: schema.Config,
    sets: Sequence[ImageSet],
    *,
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
      detector: the network.
      variables: its weights, on the host.
      weights: what to say of them; "digest" enters the fingerprint of the predictions.
      published: the AP to stand beside ours.
      run: where to write.
      mesh: the devices.
    """
    step = make_predict_step(detector, mesh)
    placed = put_replicated(mesh, variables)
    found = {}
    for images in sets:
        loader = _loader(config, images)
        fingerprint = _fingerprint(loader, weights["digest"])
        predictions = _cached(run, images.name, fingerprint)
        if predictions is None:
            predictions = predict(
                loader, step, placed, mesh=mesh, runtime=config.runtime, fingerprint=fingerprint
            )
            write_predictions(run.predictions(images.name), predictions)
        found[images.name] = _result(config, images, predictions, published)
    results = Results(
        name=config.name,
        config_hash=schema.config_hash(config),
        weights={**weights, "published": published.row or None},
        sets=found,
        mean_ap=mean_ap(found),
        status="finished",
    )
    write_json(run.results, results)
    return results


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


def _cached(run: RunFolder, name: str, fingerprint: str) -> Predictions | None:
    path = run.predictions(name)
    if not path.exists():
        return None
    predictions = read_predictions(path)
    if predictions.fingerprint != fingerprint:
        return None
    say(f"{name}: scores are there already")
    return predictions


def _result(
    config: schema.Config, images: ImageSet, predictions: Predictions, published: Published
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
    )
