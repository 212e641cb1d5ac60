"""Computes numbers that follow from the order of the scores: AP, AUC, EER, TPR at a given FPR."""

import numpy as np

from jaxdet.metrics.tally import Tally, checked, tally, value


def average_precision(label: np.ndarray, score: np.ndarray) -> float:
    """Returns the average precision, 0..1; 0 where nothing is fake.

    The area under precision over recall as a sum of steps: over the distinct scores, the sum of
    (gain in recall) * precision, without interpolation. It is
    `sklearn.metrics.average_precision_score`, which the published tables use.

    Raises:
      ValueError: where the two are empty, differ in shape, hold NaN or labels besides 0 and 1.
    """
    return value(ap_of, tally(label, score)) or 0.0


def ap_of(counts: Tally) -> np.ndarray:
    """Returns the average precision of each resample, f64 [...]; NaN where nothing is fake."""
    reached = counts.fakes_reached + counts.reals_reached
    # A resample may lack the first images: 0 of 0.
    precision = counts.fakes_reached / np.maximum(reached, 1)
    return _dot(counts.fakes, precision) / counts.n_fake


def precision_recall(label: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (recall, precision), f64 [G] each, at the fakes' distinct scores, largest first.

    A step ends at each recall, and its precision is its height: the area is `average_precision`.

    Raises:
      ValueError: as `average_precision`, and where nothing is fake.
    """
    counts = tally(label, score)
    if not counts.n_fake:
        raise ValueError("without fake images there is no recall")
    there = counts.fakes > 0
    fakes, reached = counts.fakes_reached[there], counts.reals_reached[there]
    return fakes / counts.n_fake, fakes / (fakes + reached)


def auc(label: np.ndarray, score: np.ndarray) -> float | None:
    """Returns the area under the ROC curve, 0..1; None for one class.

    The chance that a fake outscores a real image, ties counting half.

    Raises:
      ValueError: as `average_precision`.
    """
    return value(auc_of, tally(label, score))


def auc_of(counts: Tally) -> np.ndarray:
    """Returns the area under the ROC curve of each resample, f64 [...]; see `auc`."""
    below = counts.n_real[..., None] - counts.reals_reached
    return _dot(counts.fakes, below + counts.reals / 2) / (counts.n_fake * counts.n_real)


def eer(label: np.ndarray, score: np.ndarray) -> float | None:
    """Returns the equal error rate, 0..1; None for one class.

    The share of the reals and of the fakes that is mistaken where both are equal: at the crossing
    of the ROC curve, straight between its points, with FPR = 1 - TPR.

    Raises:
      ValueError: as `average_precision`.
    """
    return value(eer_of, tally(label, score))


def eer_of(counts: Tally) -> np.ndarray:
    """Returns the equal error rate of each resample, f64 [...]; see `eer`."""
    false_positive = counts.reals_reached / counts.n_real[..., None]
    false_negative = 1 - counts.fakes_reached / counts.n_fake[..., None]
    gap = false_positive - false_negative  # rises from -1, before the first score, to 1
    after = np.sum(gap < 0, axis=-1)
    after = np.minimum(after, gap.shape[-1] - 1)
    high, low = _at(gap, after), _at(gap, after - 1, before=-1.0)
    share = -low / (high - low)
    start = _at(false_positive, after - 1, before=0.0)
    return counts.with_both(start + share * (_at(false_positive, after) - start))


def tpr_at_fpr(label: np.ndarray, score: np.ndarray, *, fpr: float) -> float | None:
    """Returns the largest share of fakes found while at most `fpr` of the reals are called fake.

    The thresholds are the scores that occur; nothing is interpolated, so that of fewer than
    1 / fpr reals none may be mistaken. None for one class.

    Raises:
      ValueError: as `average_precision`.
    """
    return value(lambda counts: tpr_at_fpr_of(counts, fpr=fpr), tally(label, score))


def tpr_at_fpr_of(counts: Tally, *, fpr: float) -> np.ndarray:
    """Returns the TPR at a given FPR of each resample, f64 [...]; see `tpr_at_fpr`."""
    reached = _at(counts.fakes_reached, scores_within(counts, fpr=fpr) - 1, before=0.0)
    return counts.with_both(reached / counts.n_fake)


def scores_within(counts: Tally, *, fpr: float) -> np.ndarray:
    """Counts the distinct scores, from the largest, that at most `fpr` of the reals reach."""
    # The product may fall short of a whole number by rounding.
    allowed = np.floor(fpr * counts.n_real + 1e-9)
    return np.sum(counts.reals_reached <= allowed[..., None], axis=-1)


def sharpness_floor(label: np.ndarray, sharpness: np.ndarray) -> float:
    """Returns the AP of sharpness alone, which a detector must beat, in the better direction.

    The benefit of the doubt goes to the baseline: it may look at the labels for its direction.

    Raises:
      ValueError: as `average_precision`.
    """
    label, sharpness = checked(label, sharpness)
    return max(average_precision(label, sharpness), average_precision(label, -sharpness))


def _dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.einsum("...g,...g->...", first, second)


def _at(values: np.ndarray, place: np.ndarray, *, before: float = np.nan) -> np.ndarray:
    """Returns the value of each row [..., G] at its place [...]; `before` at place -1."""
    taken = np.take_along_axis(values, np.maximum(place, 0)[..., None], axis=-1)[..., 0]
    return np.where(place < 0, before, taken)
