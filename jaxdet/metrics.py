"""What a list of scores is worth: functions of (label, score) in numpy, Python floats out.

Labels are 1 = fake and 0 = real; a larger score means more fake. Give logits, never float32
sigmoids: those saturate to 1.0 from logit 17 on, and the ties change every ranking.
"""

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np

Metric = Callable[[np.ndarray, np.ndarray], float]

# Resampled rows held at a time; bounds the memory of the bootstrap to some tens of MB.
_CHUNK = 1_000_000


def average_precision(label: np.ndarray, score: np.ndarray) -> float:
    """Area under precision over recall as a sum of steps, 0..1; 0 where nothing is fake.

    The sum over the distinct scores of (gain in recall) * precision, without interpolation:
    `sklearn.metrics.average_precision_score`, which the published tables use.

    Raises:
      ValueError: where the two are empty, differ in shape, hold NaN or labels besides 0 and 1.
    """
    label, score = _checked(label, score)
    if not label.any():
        return 0.0
    group, last = _distinct(score)
    fakes = np.bincount(group, weights=label)
    precision = np.cumsum(fakes) / last
    return float(fakes @ precision / label.sum())


def auc(label: np.ndarray, score: np.ndarray) -> float | None:
    """Chance that a fake outscores a real image, ties counting half; None for one class.

    Raises:
      ValueError: as `average_precision`.
    """
    label, score = _checked(label, score)
    n_fake, n_real = int(label.sum()), int((1 - label).sum())
    if not n_fake or not n_real:
        return None
    group, _ = _distinct(score)
    fakes, reals = np.bincount(group, weights=label), np.bincount(group, weights=1 - label)
    reals_below = n_real - np.cumsum(reals)
    return float(fakes @ (reals_below + reals / 2) / (n_fake * n_real))


def accuracy(label: np.ndarray, logit: np.ndarray) -> float:
    """Share of images on their side of logit 0, where "above 0" means fake.

    Raises:
      ValueError: as `average_precision`.
    """
    label, logit = _checked(label, logit)
    return float(np.mean((logit > 0) == label))


def accuracy_of(label: np.ndarray, logit: np.ndarray, *, which: Literal[0, 1]) -> float | None:
    """Accuracy over the images of one label alone; None where there are none.

    Raises:
      ValueError: as `average_precision`.
    """
    label, logit = _checked(label, logit)
    chosen = label == which
    return accuracy(label[chosen], logit[chosen]) if chosen.any() else None


def sharpness_floor(label: np.ndarray, sharpness: np.ndarray) -> float:
    """AP of sharpness alone, in whichever direction ranks better: what a detector must beat.

    The benefit of the doubt goes to the floor: it may look at the labels for its direction.

    Raises:
      ValueError: as `average_precision`.
    """
    label, sharpness = _checked(label, sharpness)
    return max(average_precision(label, sharpness), average_precision(label, -sharpness))


def bootstrap_interval(
    label: np.ndarray,
    score: np.ndarray,
    metric: Metric = average_precision,
    *,
    draws: int,
    seed: int,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of a metric; None for one class or without draws.

    Each draw takes as many real and as many fake images as there are, with replacement, so
    that every draw has both classes and the share of fakes, on which AP depends, stays put.
    It covers the choice of images only: not another generator, nor another training run.

    Args:
      label: [N], 0 or 1.
      score: [N].
      metric: a function of (label, score); AP takes a short cut, 3 to 8 times faster.
      draws: number of resamples.
      seed: of the resampling; equal seeds give equal intervals.
      level: share of the draws inside the interval.

    Raises:
      ValueError: as `average_precision`.
    """
    label, score = _checked(label, score)
    if draws == 0 or label.all() or not label.any():
        return None
    resampled = _resampled_ap if metric is average_precision else _resampled(metric)
    values = np.concatenate(list(resampled(label, score, draws, seed)))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _checked(label: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 [N], or ValueError."""
    label, score = np.asarray(label), np.asarray(score, np.float64)
    if label.ndim != 1 or label.shape != score.shape or not label.size:
        raise ValueError(f"labels {label.shape} and scores {score.shape} must be [N], N above 0")
    if np.isnan(score).any():
        raise ValueError(f"{np.isnan(score).sum()} of {score.size} scores are NaN")
    if not np.isin(label, (0, 1)).all():
        raise ValueError("labels must be 0 (real) or 1 (fake)")
    return label.astype(np.float64), score


def _distinct(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each score its place among the distinct ones, largest first; how many reach each."""
    _, group, count = np.unique(-score, return_inverse=True, return_counts=True)
    return group, np.cumsum(count)


def _draws(n_real: int, n_fake: int, draws: int, seed: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Chunks of (rows into the reals [c, n_real], rows into the fakes [c, n_fake])."""
    rng = np.random.default_rng(seed)
    chunk = max(1, _CHUNK // (n_real + n_fake))
    for start in range(0, draws, chunk):
        rows = min(chunk, draws - start)
        yield tuple(rng.integers(n, size=(rows, n), dtype=np.int32) for n in (n_real, n_fake))


def _resampled(metric: Metric) -> Callable[..., Iterator[list[float]]]:
    """The plain way, for any metric: one call a draw."""

    def values(
        label: np.ndarray, score: np.ndarray, draws: int, seed: int
    ) -> Iterator[list[float]]:
        real, fake = score[label == 0], score[label == 1]
        ordered = np.repeat([0, 1], [real.size, fake.size])
        for real_rows, fake_rows in _draws(real.size, fake.size, draws, seed):
            scores = np.concatenate([real[real_rows], fake[fake_rows]], axis=1)
            yield [metric(ordered, row) for row in scores]

    return values


def _resampled_ap(
    label: np.ndarray, score: np.ndarray, draws: int, seed: int
) -> Iterator[np.ndarray]:
    """AP of each draw without sorting again: sums over the thresholds where a fake lies.

    A draw only changes how often each image counts. Recall moves at the distinct scores of
    the fakes alone, so every real image is counted at the first of them that it reaches.
    """
    fake_group, _ = _distinct(score[label == 1])
    thresholds = np.unique(-score[label == 1])
    real_group = np.searchsorted(thresholds, -score[label == 0])
    for real_rows, fake_rows in _draws(real_group.size, fake_group.size, draws, seed):
        fakes = _counted(fake_group[fake_rows], thresholds.size)
        reals = _counted(real_group[real_rows], thresholds.size)
        true = np.cumsum(fakes, axis=1)
        reached = true + np.cumsum(reals, axis=1)
        precision = true / np.maximum(reached, 1)  # before the first image drawn: 0 of 0
        yield np.einsum("ij,ij->i", fakes, precision) / fake_group.size


def _counted(group: np.ndarray, groups: int) -> np.ndarray:
    """How often each group occurs in each row: int [c, n] -> int [c, groups].

    A number past the last group (a real image below every fake) is not counted.
    """
    rows = len(group)
    flat = (group + (groups + 1) * np.arange(rows)[:, None]).ravel()
    return np.bincount(flat, minlength=rows * (groups + 1)).reshape(rows, groups + 1)[:, :groups]
