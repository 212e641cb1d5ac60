"""Computes the numbers of a set's table row from its scored rows."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from jaxdet import metrics
from jaxdet.data.baseline import Baseline
from jaxdet.data.likeness import Ranges
from jaxdet.errors import RunFailedError
from jaxdet.evals.drawn import Drawn
from jaxdet.metrics import Measure
from jaxdet.results import ERROR_RATES, Calibration, Predictions, Scores, SetResult, TwoShot

# Of the fields of `Scores`, those that have an interval; that of AP has a field of its own.
_FIELDS: Mapping[str, Measure] = MappingProxyType(
    {
        "accuracy": metrics.accuracy_at,
        "accuracy_real": metrics.tnr_at,
        "accuracy_fake": metrics.tpr_at,
        "auc": metrics.auc_of,
    }
)
_DRAWN_OF_CONDITIONS: Mapping[str, Measure] = MappingProxyType(
    {"ap": metrics.ap_of, "accuracy": metrics.accuracy_at}
)


def score_set(
    predictions: Predictions,
    *,
    draws: int,
    seed: int,
    published_ap: float | None = None,
    calibration: Calibration | None = None,
    two_shot: TwoShot | None = None,
    metadata: Baseline | None = None,
) -> SetResult:
    """Scores a set, pooled over its categories, and each category by itself.

    Args:
      predictions: one row an image.
      draws: resamples behind each interval; 0: no intervals.
      seed: of the resampling.
      published_ap: what others report for the set, 0..1.
      calibration: what was learned on validation images, for the numbers that need it.
      two_shot: goes into the result.
      metadata: what metadata alone reach on the set.

    Raises:
      RunFailedError: where no image could be read or a logit is not finite.
    """
    _check(predictions)
    everything = np.ones(predictions.label.size, bool)
    taught = (calibration.temperature, calibration.thresholds) if calibration else ()
    measures = metrics.measures_of(*taught)
    pooled = _scores(predictions, everything, measures, draws=draws, seed=seed)
    category = predictions.category
    parts = {
        str(name): _scores(predictions, category == name, measures, draws=draws, seed=seed)
        for name in np.unique(category)
        if name
    }
    return SetResult(
        **vars(pooled),
        n_skipped=len(predictions.skipped),
        published_ap=published_ap,
        metadata_ap=metadata.ap if metadata else None,
        metadata_ci95=metadata.ci95 if metadata else None,
        n_groups=_group_count(predictions),
        two_shot=two_shot,
        categories=parts,
    )


def score_condition(predictions: Predictions, *, draws: int, seed: int) -> Scores:
    """Scores a set under a further protocol or disturbance, pooled over its categories.

    As `score_set`, but intervals are of AP and accuracy alone, nothing is calibrated, and
    categories are left out: there may be hundreds of these.

    Raises:
      RunFailedError: where no image could be read or a logit is not finite.
    """
    _check(predictions)
    everything = np.ones(predictions.label.size, bool)
    return _scores(
        predictions,
        everything,
        metrics.measures_of(),
        draws=draws,
        seed=seed,
        drawn=_DRAWN_OF_CONDITIONS,
    )


def mean_ap(sets: Mapping[str, Scores]) -> float | None:
    """Returns the mean over sets of their pooled AP, as the published tables have it.

    Sets of one label have none; None where all are.

    Raises:
      ValueError: where there are no sets.
    """
    if not sets:
        raise ValueError("no sets to take the mean of")
    defined = [one.ap for one in sets.values() if one.ap is not None]
    return float(np.mean(defined)) if defined else None


def protocol_means(sets: Mapping[str, SetResult]) -> dict[str, dict[str, float | None]]:
    """Returns each protocol's mean AP and accuracy over its sets; None where one is missing."""
    values = {
        "ap": {name: one.ap for name, one in sets.items() if one.ap is not None},
        "accuracy": {name: one.accuracy for name, one in sets.items()},
    }
    return {
        number: {protocol: metrics.protocol_mean(of, protocol) for protocol in metrics.PROTOCOLS}
        for number, of in values.items()
    }


def mean_intervals(drawn: Drawn) -> dict[str, dict[str, tuple[float, float]]]:
    """Returns 95 % intervals of the mean AP and accuracy over all and over each protocol's sets.

    Those of means that there are not are left out. Sets of one label are in none of them.

    Args:
      drawn: the measures of each set, as `draw_sets` gives them.
    """
    both = {name: own for name, own in drawn.items() if "ap" in own}
    means = {
        title: names
        for title, names in {"all": tuple(both), **metrics.PROTOCOLS}.items()
        if names and all(both.get(name) for name in names)
    }
    return {
        number: {
            title: metrics.interval(np.mean([both[name][number] for name in names], axis=0))
            for title, names in means.items()
        }
        for number in ("ap", "accuracy")
    }


def calibrate(
    predictions: Predictions, *, source: str, ranges: Ranges | None = None
) -> Calibration:
    """Fits temperature and thresholds to the scores of validation images.

    Args:
      predictions: of validation images; their labels are used.
      source: what to call them.
      ranges: of what they are like; see `jaxdet.data.likeness`.

    Raises:
      RunFailedError: where no image could be read or a logit is not finite.
    """
    _check(predictions)
    label, logit = predictions.label, predictions.logit
    return Calibration(
        source=source,
        n_real=int(np.sum(label == 0)),
        n_fake=int(np.sum(label == 1)),
        temperature=metrics.fit_temperature(label, logit),
        thresholds={
            **{
                f"fpr_{percent}": metrics.threshold_at_fpr(label, logit, fpr=percent / 100)
                for percent in ERROR_RATES
            },
            **{
                f"fnr_{percent}": metrics.threshold_at_fnr(label, logit, fnr=percent / 100)
                for percent in ERROR_RATES
            },
        },
        ranges=ranges or {},
    )


def _scores(
    predictions: Predictions,
    chosen: np.ndarray,
    measures: Mapping[str, Measure],
    *,
    draws: int,
    seed: int,
    drawn: Mapping[str, Measure] | None = None,
) -> Scores:
    """Returns the numbers of the chosen images; all have intervals, or those in `drawn` alone."""
    label, logit = predictions.label[chosen], predictions.logit[chosen]
    counts = metrics.tally(label, logit)
    ranked = len(set(label)) > 1  # else any order is perfect, or none
    resampled = {"ap": metrics.ap_of, **_FIELDS, **measures} if drawn is None else drawn
    groups = predictions.groups
    group = None if groups is None else groups[chosen]
    values = metrics.bootstrap(label, logit, resampled, draws=draws, seed=seed, group=group)
    # A measure that some draws do not define has none.
    intervals = {
        name: metrics.interval(one) for name, one in values.items() if not np.isnan(one).any()
    }
    if not ranked:
        intervals.pop("ap", None)
    return Scores(
        ap=metrics.average_precision(label, logit) if ranked else None,
        accuracy=metrics.accuracy(label, logit),
        accuracy_real=metrics.accuracy_of(label, logit, which=0),
        accuracy_fake=metrics.accuracy_of(label, logit, which=1),
        auc=metrics.auc(label, logit),
        n_real=int(np.sum(label == 0)),
        n_fake=int(np.sum(label == 1)),
        ap_ci95=intervals.pop("ap", None),
        sharpness_ap=(
            metrics.sharpness_floor(label, predictions.sharpness[chosen]) if ranked else None
        ),
        measures={name: metrics.value(measure, counts) for name, measure in measures.items()},
        intervals=intervals,
    )


def _group_count(predictions: Predictions) -> int | None:
    """Returns how many groups the images are, one without a group being one; None without any."""
    groups = predictions.groups
    if groups is None:
        return None
    return len(np.unique(groups[groups >= 0])) + int(np.sum(groups < 0))


def _check(predictions: Predictions) -> None:
    if not predictions.label.size:
        raise RunFailedError(f"no image to score: {len(predictions.skipped)} were skipped")
    broken = np.flatnonzero(~np.isfinite(predictions.logit))
    if broken.size:
        raise RunFailedError(
            f"{broken.size} of {predictions.logit.size} logits are not finite, "
            f"the first for {predictions.id[broken[0]]}"
        )
