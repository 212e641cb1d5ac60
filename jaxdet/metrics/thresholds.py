"""Numbers at a threshold: images whose score is at or above it are called fake."""

from typing import Literal

import numpy as np

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
