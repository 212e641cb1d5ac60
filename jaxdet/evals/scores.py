"""From the rows of a set to the numbers of its table row."""

from collections.abc import Mapping

import numpy as np

from jaxdet import metrics
from jaxdet.errors import RunFailedError
from jaxdet.results import Predictions, Scores, SetResult


def score_set(
    predictions: Predictions, *, draws: int, seed: int, published_ap: float | None = None
) -> SetResult:
    """The scores of a set, pooled over its categories, and of each category by itself.

    Args:
      predictions: one row an image.
      draws: resamples behind each interval of AP; 0: no intervals.
      seed: of the resampling.
      published_ap: what others report for the set, 0..1.

    Raises:
      RunFailedError: where no image could be read or a logit is not finite.
    """
    _check(predictions)
    everything = np.ones(predictions.label.size, bool)
    pooled = _scores(predictions, everything, draws=draws, seed=seed)
    category = predictions.category
    parts = {
        str(name): _scores(predictions, category == name, draws=draws, seed=seed)
        for name in np.unique(category)
        if name
    }
    return SetResult(
        **vars(pooled),
        n_skipped=len(predictions.skipped),
        published_ap=published_ap,
        categories=parts,
    )


def mean_ap(sets: Mapping[str, SetResult]) -> float:
    """The mean over sets of their pooled AP, as the published tables have it.

    Raises:
      ValueError: where there are no sets.
    """
    if not sets:
        raise ValueError("no sets to take the mean of")
    return float(np.mean([one.ap for one in sets.values()]))


def _scores(predictions: Predictions, chosen: np.ndarray, *, draws: int, seed: int) -> Scores:
    label, logit = predictions.label[chosen], predictions.logit[chosen]
    return Scores(
        ap=metrics.average_precision(label, logit),
        accuracy=metrics.accuracy(label, logit),
        accuracy_real=metrics.accuracy_of(label, logit, which=0),
        accuracy_fake=metrics.accuracy_of(label, logit, which=1),
        auc=metrics.auc(label, logit),
        n_real=int(np.sum(label == 0)),
        n_fake=int(np.sum(label == 1)),
        ap_ci95=metrics.bootstrap_interval(label, logit, draws=draws, seed=seed),
        sharpness_ap=metrics.sharpness_floor(label, predictions.sharpness[chosen]),
    )


def _check(predictions: Predictions) -> None:
    if not predictions.label.size:
        raise RunFailedError(f"no image to score: {len(predictions.skipped)} were skipped")
    broken = np.flatnonzero(~np.isfinite(predictions.logit))
    if broken.size:
        raise RunFailedError(
            f"{broken.size} of {predictions.logit.size} logits are not finite, "
            f"the first for {predictions.id[broken[0]]}"
        )
