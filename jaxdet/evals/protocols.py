"""An evaluation: every test set under every view, then the numbers of each."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
from jax.sharding import Mesh

from jaxdet import config as schema
from jaxdet.data.images import ImageSet
from jaxdet.errors import UserError
from jaxdet.evals.engine import Engine
from jaxdet.evals.published import Published
from jaxdet.evals.scores import (
    calibrate,
    mean_ap,
    mean_intervals,
    protocol_means,
    score_condition,
    score_set,
)
from jaxdet.evals.two_shot import summarise
from jaxdet.evals.views import View, further_views, headline
from jaxdet.models.detector import Detector, Variables
from jaxdet.progress import say
from jaxdet.results import Calibration, Condition, Predictions, Results, RunFolder, SetResult
from jaxdet.workdir import signals
from jaxdet.workdir.files import write_json


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
    code: str = "",
    warnings: Sequence[str] = (),
) -> Results:
    """Scores the sets, writes the scores and `results.json`, and gives the results.

    The scores of the first protocol go to `predictions/`, those of the others and of disturbed
    images to `conditions/`. What is there already for the same weights, images and view is not
    scored again.

    Args:
      config: the run's.
      sets: what to score.
      validation: images of the training generator, scored as the sets are, from which the
        temperature and the thresholds come; None or an empty set where there are none.
      detector: the network.
      variables: its weights, on the host.
      weights: what to say of them; "digest" enters the fingerprint of the predictions.
      published: the AP to stand beside ours.
      run: where to write.
      mesh: the devices.
      code: digest of the code of a network of one's own, which is known by that alone.
      warnings: what misleads whoever reads the results.

    Raises:
      Stopped: where a signal asked for the end; what was scored is saved.
    """
    digest = " ".join(filter(None, (weights["digest"], code)))
    engine = Engine(config, detector, variables, digest=digest, run=run, mesh=mesh)
    view = headline(config)
    calibration = None
    if validation:
        held_out = engine.predictions(validation, view, run.validation)
        calibration = calibrate(held_out, source=validation.name)
    rows, found = {}, {}
    for images in sets:
        rows[images.name] = engine.predictions(images, view, run.predictions(images.name))
        found[images.name] = _result(
            config, images, rows[images.name], published, calibration, engine
        )
        signals.check("the scores so far are saved")
    conditions = dict(_conditions(config, sets, engine, run))
    engine.say_shapes()
    results = Results(
        name=config.name,
        config_hash=schema.own_hash(run.config),
        weights={**weights, "published": published.row or None},
        sets=found,
        mean_ap=mean_ap(found),
        status="finished",
        calibration=calibration,
        means=protocol_means(found),
        mean_intervals=mean_intervals(rows, draws=config.evaluation.bootstrap, seed=config.seed),
        protocol=view.name,
        conditions=conditions,
        warnings=list(warnings),
    )
    if jax.process_index() == 0:
        write_json(run.results, results)
    return results


def _conditions(
    config: schema.Config, sets: Sequence[ImageSet], engine: Engine, run: RunFolder
) -> Iterator[tuple[str, Condition]]:
    """Yields the scores of the sets under each further view, by its name."""
    for view in further_views(config):
        scores = {}
        for images in sets:
            predictions = engine.predictions(images, view, run.condition(view.name, images.name))
            _check_labels(images, predictions)
            scores[images.name] = score_condition(
                predictions, draws=config.evaluation.bootstrap, seed=config.seed
            )
        yield view.name, _condition(view, scores)


def _condition(view: View, scores: dict[str, Any]) -> Condition:
    return Condition(kind=view.kind, level=view.level, sets=scores, mean_ap=mean_ap(scores))


def _result(
    config: schema.Config,
    images: ImageSet,
    predictions: Predictions,
    published: Published,
    calibration: Calibration | None,
    engine: Engine,
) -> SetResult:
    _check_labels(images, predictions)
    if count := len(predictions.skipped):
        names = ", ".join(map(str, predictions.skipped[:3])) + ", ..." * (count > 3)
        say(f"{images.name}: {count} unreadable images left out: {names}")
    two_shot = None
    if config.evaluation.two_shot:
        two_shot = summarise(predictions, engine.crop_scores(images, predictions))
    return score_set(
        predictions,
        draws=config.evaluation.bootstrap,
        seed=config.seed,
        published_ap=published.ap.get(images.name),
        calibration=calibration,
        two_shot=two_shot,
    )


def _check_labels(images: ImageSet, predictions: Predictions) -> None:
    if len(set(predictions.label)) < 2:
        raise UserError(f"{images.place}: no readable images of one of the two labels")
