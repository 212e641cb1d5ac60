"""Computes numbers at a threshold: images whose score is at or above it are called fake."""

import math
from typing import Literal

import numpy as np
from scipy.special import bdtr

from jaxdet.metrics.ranking import scores_within
from jaxdet.metrics.tally import Tally, tally, value

# "Above 0 is fake": the smallest number that is above 0.
_ABOVE_ZERO = float(np.nextafter(0.0, 1.0))
# Between the logits of one image in batches of two shapes, of their size.
_ROUNDING = 1e-5


def accuracy(label: np.ndarray, logit: np.ndarray) -> float:
    """Returns the share of images on their side of logit 0, where "above 0" means fake.

    Raises:
      ValueError: where the two are empty, differ in shape, hold NaN or labels besides 0 and 1.
    """
    return float(accuracy_at(tally(label, logit)))


def accuracy_of(label: np.ndarray, logit: np.ndarray, *, which: Literal[0, 1]) -> float | None:
    """Returns the accuracy over the images of one label alone; None where there are none.

    Raises:
      ValueError: as `accuracy`.
    """
    return value(tpr_at if which else tnr_at, tally(label, logit))


def true_rates(
    label: np.ndarray, logit: np.ndarray, *, positive: Literal["fake", "real"]
) -> tuple[float | None, float | None]:
    """Returns (TPR, TNR) at logit 0, None where there are no such images.

    With fakes as the positive class TPR is the accuracy on fakes. Xuan et al. 2019, "On the
    generalization of GAN image forensics", call real positive: theirs is that on real images.

    Raises:
      ValueError: as `accuracy`.
    """
    counts = tally(label, logit)
    fake, real = value(tpr_at, counts), value(tnr_at, counts)
    return (fake, real) if positive == "fake" else (real, fake)


def accuracy_at(counts: Tally, *, threshold: float = _ABOVE_ZERO) -> np.ndarray:
    """Returns the share of images on their side of the threshold, [...]."""
    fakes, reals = _called_fake(counts, threshold)
    return (fakes + counts.n_real - reals) / (counts.n_fake + counts.n_real)


def tpr_at(counts: Tally, *, threshold: float = _ABOVE_ZERO) -> np.ndarray:
    """Returns the share of the fakes that is called fake, [...]; NaN without fakes."""
    return _called_fake(counts, threshold)[0] / counts.n_fake


def fpr_at(counts: Tally, *, threshold: float = _ABOVE_ZERO) -> np.ndarray:
    """Returns the share of the reals that is called fake, [...]; NaN without reals."""
    return _called_fake(counts, threshold)[1] / counts.n_real


def tnr_at(counts: Tally, *, threshold: float = _ABOVE_ZERO) -> np.ndarray:
    """Returns the share of the reals that is called real, [...]; NaN without reals."""
    return (counts.n_real - _called_fake(counts, threshold)[1]) / counts.n_real


def _called_fake(counts: Tally, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Counts the fakes and the reals that have the threshold or more, [...] each."""
    reached = int(np.sum(counts.score >= threshold))
    if not reached:
        return np.zeros_like(counts.n_fake), np.zeros_like(counts.n_real)
    return counts.fakes_reached[..., reached - 1], counts.reals_reached[..., reached - 1]


def oracle(label: np.ndarray, logit: np.ndarray) -> tuple[float, float] | None:
    """Returns the best accuracy that any threshold gives, and the threshold; None for one class.

    The threshold is chosen with the labels of the very images it is measured on: an upper bound,
    which tells how much of the accuracy a wrong threshold loses, and no result. Of equally good
    thresholds the largest; where calling nothing fake is best, just above all scores.

    Raises:
      ValueError: as `accuracy`.
    """
    counts = tally(label, logit)
    best = value(oracle_accuracy_of, counts)
    threshold = value(oracle_threshold_of, counts)
    return None if best is None or threshold is None else (best, threshold)


def oracle_accuracy_of(counts: Tally) -> np.ndarray:
    """Returns the best accuracy that any threshold gives each resample; see `oracle`."""
    gain = np.max(counts.fakes_reached - counts.reals_reached, axis=-1)
    right = counts.n_real + np.maximum(gain, 0)
    return counts.with_both(right / (counts.n_fake + counts.n_real))


def oracle_threshold_of(counts: Tally) -> np.ndarray:
    """Returns the threshold of the best accuracy of each resample; see `oracle`."""
    gain = counts.fakes_reached - counts.reals_reached
    best = np.argmax(gain, axis=-1)
    # In a resample the largest score is the first that was drawn.
    first = np.argmax(counts.fakes + counts.reals > 0, axis=-1)
    above = np.nextafter(counts.score[first], np.inf)
    return counts.with_both(np.where(np.max(gain, axis=-1) > 0, counts.score[best], above))


def balanced_accuracy_at(counts: Tally, *, threshold: float = _ABOVE_ZERO) -> np.ndarray:
    """Returns the mean of the accuracy on reals and on fakes, [...]; NaN without either."""
    rates = tpr_at(counts, threshold=threshold), tnr_at(counts, threshold=threshold)
    return (rates[0] + rates[1]) / 2


def best_balanced_of(counts: Tally) -> np.ndarray:
    """Returns the best balanced accuracy that any threshold gives each resample, f64 [...].

    Chosen with the labels of the very images: an upper bound, and no result; see `oracle`.
    """
    return (best_balanced_tpr_of(counts) + best_balanced_tnr_of(counts)) / 2


def best_balanced_tpr_of(counts: Tally) -> np.ndarray:
    """Returns the share of the fakes that is called fake at the best balanced threshold."""
    return _best_balanced(counts, counts.fakes_reached) / counts.n_fake


def best_balanced_tnr_of(counts: Tally) -> np.ndarray:
    """Returns the share of the reals that is called real at the best balanced threshold."""
    return 1 - _best_balanced(counts, counts.reals_reached) / counts.n_real


def _best_balanced(counts: Tally, reached: np.ndarray) -> np.ndarray:
    """Returns how many images reach the best balanced threshold; of equals the largest."""
    fakes, false = counts.fakes_reached, counts.reals_reached
    gain = fakes / counts.n_fake[..., None] - false / counts.n_real[..., None]
    best = np.argmax(gain, axis=-1)[..., None]
    # Where no threshold beats calling nothing fake, that is it.
    there = np.take_along_axis(gain, best, axis=-1)[..., 0] > 0
    return counts.with_both(np.where(there, np.take_along_axis(reached, best, -1)[..., 0], 0.0))


def quantile_interval(
    values: np.ndarray, *, share: float, level: float = 0.95
) -> tuple[float, float]:
    """Returns the two values between which the quantile of their distribution lies, by order alone.

    The number of values below the quantile is binomial, whatever the distribution; David and
    Nagaraja, Order Statistics, 2003, section 7.1.

    Args:
      values: f [N], drawn independently.
      share: of the distribution below the quantile, 0..1.
      level: chance that the interval holds it, at least.

    Raises:
      ValueError: where there are fewer values than `images_for_quantile` says.
    """
    n, ordered = len(values), np.sort(values)
    if n < images_for_quantile(share, level=level):
        raise ValueError(f"{n} values are too few for the quantile of {share}")
    below = bdtr(np.arange(n + 1), n, share)
    low, high = np.searchsorted(below, [(1 - level) / 2, (1 + level) / 2])
    return float(ordered[low - 1]), float(ordered[high])


def images_for_quantile(share: float, *, level: float = 0.95) -> int:
    """Returns how many values the interval of a quantile above the median needs at least.

    With fewer, even the largest of them lies below the quantile too often.
    """
    return math.ceil(math.log((1 - level) / 2) / math.log(share))


def threshold_at_fpr(label: np.ndarray, logit: np.ndarray, *, fpr: float) -> float | None:
    """Returns the smallest score at which at most `fpr` of the reals are called fake.

    Above all scores, by more than the rounding of another batch, where even the largest is too
    small; None without reals, and where that is infinite.
    Choose it on validation images, never on those it is then measured on.

    Raises:
      ValueError: as `accuracy`.
    """
    counts = tally(label, logit)
    if not counts.n_real:
        return None
    within = int(scores_within(counts, fpr=fpr))
    if within:
        return float(counts.score[within - 1])
    above = float(counts.score[0]) + _ROUNDING * max(1.0, abs(float(counts.score[0])))
    return above if np.isfinite(above) else None


def threshold_at_fnr(label: np.ndarray, logit: np.ndarray, *, fnr: float) -> float | None:
    """Returns the largest score at or below which at most `fnr` of the fakes lie.

    The mirror of `threshold_at_fpr`: below all scores where even the smallest is too large; None
    without fakes, and where that is infinite.

    Raises:
      ValueError: as `accuracy`.
    """
    mirrored = threshold_at_fpr(1 - np.asarray(label), -np.asarray(logit), fpr=fnr)
    return None if mirrored is None else -mirrored
