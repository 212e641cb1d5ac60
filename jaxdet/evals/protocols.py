"""Runs an evaluation: every test set under every view, then the numbers of each."""

import functools
from collections.abc import Sequence
from typing import Any

import jax

from jaxdet import config as schema
from jaxdet.data.baseline import Baseline, metadata_baseline
from jaxdet.data.images import ImageSet
from jaxdet.data.readers import Reader
from jaxdet.data.usual import usual_ranges
from jaxdet.errors import UserError
from jaxdet.evals.benchmarks import over_benchmarks, over_generators
from jaxdet.evals.drawn import draw_sets
from jaxdet.evals.engine import Engine
from jaxdet.evals.pooled import with_pooled_auc
from jaxdet.evals.published import Published
from jaxdet.evals.scores import (
    calibrate,
    mean_ap,
    mean_intervals,
    protocol_means,
    score_condition,
    score_set,
)
from jaxdet.evals.suites import suite_figures
from jaxdet.evals.two_shot import summarise
from jaxdet.evals.views import View, chain_names, further_views, headline
from jaxdet.progress import say
from jaxdet.results import Calibration, Condition, Predictions, Results, Scores, SetResult
from jaxdet.workdir import signals
from jaxdet.workdir.files import write_json


def evaluate(
    engine: Engine,
    sets: Sequence[Reader],
    *,
    name: str,
    validation: Reader | None,
    weights: dict[str, Any],
    published: Published,
    stored: Calibration | None = None,
    warnings: Sequence[str] = (),
) -> Results:
    """Scores the sets, writes the scores and `results.json`, and gives the results.

    The scores of the first protocol go to `predictions/`, those of the others and of disturbed
    images to `conditions/`. What is there already for the same weights, images and view is not
    scored again.

    Args:
      engine: what scores, and the run's folder.
      sets: what to score.
      name: of the run.
      validation: images of the training generator, scored as the sets are, from which the
        temperature and the thresholds come; None or an empty set where there are none.
      weights: what to say of them.
      published: the AP to stand beside ours.
      stored: what validation images taught of these weights before, where there are none here.
      warnings: what misleads whoever reads the results.

    Raises:
      Stopped: where a signal asked for the end; what was scored is saved.
    """
    evaluation, run = engine.evaluation, engine.run
    view = headline(evaluation)
    calibration = _calibration(engine, validation, view) or stored
    rows, found, unproven = _headline(engine, sets, published, calibration)
    conditions, ends = _conditions(engine, sets)
    found = with_pooled_auc(found, rows, ends, draws=evaluation.bootstrap, seed=engine.seed)
    engine.say_shapes()
    others = suite_figures(evaluation)
    drawn = draw_sets(rows, draws=evaluation.bootstrap, seed=engine.seed)
    benchmarks = over_generators(found, others, drawn) if evaluation.benchmarks else {}
    results = Results(
        name=name,
        config_hash=schema.own_hash(run.config),
        weights={**weights, "published": published.row or None},
        sets=found,
        mean_ap=mean_ap(found),
        status="finished",
        calibration=calibration,
        means=protocol_means(found),
        mean_intervals=mean_intervals(drawn),
        protocol=view.name,
        equalise=evaluation.equalise,
        conditions=conditions,
        chains=chain_names(evaluation),
        benchmarks=benchmarks,
        over_benchmarks=over_benchmarks(benchmarks, drawn),
        warnings=[*warnings, *unproven],
    )
    if jax.process_index() == 0:
        write_json(run.results, results)
    return results


def _headline(
    engine: Engine,
    sets: Sequence[Reader],
    published: Published,
    calibration: Calibration | None,
) -> tuple[dict[str, Predictions], dict[str, SetResult], list[str]]:
    """Returns rows and results of each set under the first protocol, and warnings of these."""
    view, path_of = headline(engine.evaluation), engine.run.predictions
    rows, found, unproven = {}, {}, []
    engine.score_mixed(sets, view, path_of)
    for read in sets:
        test = read.images.name
        rows[test] = engine.predictions(read, view, path_of(test))
        metadata = metadata_baseline(read.images, max_pixels=read.max_pixels, seed=engine.seed)
        found[test] = _result(engine, read, rows[test], published, calibration, metadata)
        if metadata is not None and (line := _no_evidence(test, found[test], metadata)):
            unproven.append(line)
        signals.check("the scores so far are saved")
    return rows, found, unproven


def _calibration(engine: Engine, validation: Reader | None, view: View) -> Calibration | None:
    if not validation or not len(validation.images):
        return None
    held_out = engine.predictions(validation, view, engine.run.validation)
    ranges = usual_ranges(
        validation.images, sharpness=held_out.sharpness, max_pixels=validation.max_pixels
    )
    return calibrate(held_out, source=validation.images.name, ranges=ranges)


def _conditions(
    engine: Engine, sets: Sequence[Reader]
) -> tuple[dict[str, Condition], list[dict[str, Predictions]]]:
    """Returns the scores of the sets under each further view, and the rows after whole chains."""
    evaluation, seed = engine.evaluation, engine.seed
    whole = {names[-1] for names in chain_names(evaluation).values()}
    conditions: dict[str, Condition] = {}
    ends: list[dict[str, Predictions]] = []
    for view in further_views(evaluation, seed=seed):
        rows: dict[str, Predictions] = {}
        scores: dict[str, Scores] = {}
        engine.score_mixed(sets, view, functools.partial(engine.run.condition, view.name))
        for read in sets:
            name = read.images.name
            rows[name] = engine.predictions(read, view, engine.run.condition(view.name, name))
            _check_labels(read.images, rows[name])
            scores[name] = score_condition(rows[name], draws=evaluation.bootstrap, seed=seed)
        conditions[view.name] = _condition(view, scores)
        if view.name in whole:
            ends.append(rows)
    return conditions, ends


def _condition(view: View, scores: dict[str, Any]) -> Condition:
    return Condition(kind=view.kind, level=view.level, sets=scores, mean_ap=mean_ap(scores))


def _result(
    engine: Engine,
    read: Reader,
    predictions: Predictions,
    published: Published,
    calibration: Calibration | None,
    metadata: Baseline | None,
) -> SetResult:
    images, evaluation = read.images, engine.evaluation
    _check_labels(images, predictions)
    if count := len(predictions.skipped):
        names = ", ".join(map(str, predictions.skipped[:3])) + ", ..." * (count > 3)
        say(f"{images.name}: {count} unreadable images left out: {names}")
    two_shot = None
    if evaluation.two_shot and len(set(predictions.label)) > 1:
        two_shot = summarise(predictions, engine.crop_scores(read, predictions))
    return score_set(
        predictions,
        draws=evaluation.bootstrap,
        seed=engine.seed,
        published_ap=published.ap.get(images.name),
        calibration=calibration,
        two_shot=two_shot,
        metadata=metadata,
    )


def _no_evidence(name: str, scores: Scores, metadata: Baseline) -> str:
    """Returns a warning of a set whose AP does not clearly exceed what metadata reach; else ''."""
    ap = scores.ap
    if ap is None or not metadata.exceeds(ap if scores.ap_ci95 is None else scores.ap_ci95[0]):
        return ""
    return (
        f"{name}: AP {100 * ap:.1f} does not clearly exceed the {100 * metadata.ap:.1f} that "
        "container, size and quality of the files reach alone: no evidence that the detector "
        "works; `python -m jaxdet.data audit` says which of them tell"
    )


def _check_labels(images: ImageSet, predictions: Predictions) -> None:
    if set(predictions.label) != set(images.labels):
        raise UserError(f"{images.place}: no readable images of one of its labels")
