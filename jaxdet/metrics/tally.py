"""Counts how many fakes and how many reals have each distinct score.

Ranking numbers follow from these counts alone, with ties right of themselves. A resample of the
images changes the counts and not the order, so that one sorting serves all resamples.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from jaxdet.errors import BadArgumentError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tally:
    """Holds the counts at each distinct score; leading axes, where there are any, are resamples.

    Attributes:
      score: f64 [G], the distinct scores, largest first.
      fakes: f64 [..., G], whole numbers.
      reals: f64 [..., G], whole numbers.
    """

    score: np.ndarray
    fakes: np.ndarray
    reals: np.ndarray

    @functools.cached_property
    def fakes_reached(self) -> np.ndarray:
        """Returns how many fakes have this score or a larger one, f64 [..., G]."""
        return np.cumsum(self.fakes, axis=-1)

    @functools.cached_property
    def reals_reached(self) -> np.ndarray:
        """Returns how many reals have this score or a larger one, f64 [..., G]."""
        return np.cumsum(self.reals, axis=-1)

    @property
    def n_fake(self) -> np.ndarray:
        """Returns the number of all fakes, f64 [...]."""
        return self.fakes_reached[..., -1]

    @property
    def n_real(self) -> np.ndarray:
        """Returns the number of all reals, f64 [...]."""
        return self.reals_reached[..., -1]

    def with_both(self, values: np.ndarray) -> np.ndarray:
        """Returns the values [...], NaN where there are no fakes or no reals to compare."""
        return np.where((self.n_fake > 0) & (self.n_real > 0), values, np.nan)


# f64 [...], one number a resample; NaN where the images do not define it.
Measure = Callable[[Tally], np.ndarray]


def tally(label: np.ndarray, score: np.ndarray) -> Tally:
    """Counts the fakes and the reals at each distinct score of a list.

    Raises:
      ValueError: where the two are empty, differ in shape, hold NaN or labels besides 0 and 1.
    """
    label, score = checked(label, score)
    distinct, group = np.unique(-score, return_inverse=True)
    fakes = np.bincount(group, weights=label)
    reals = np.bincount(group, weights=1 - label)
    return Tally(score=-distinct, fakes=fakes, reals=reals)


def value(measure: Measure, counts: Tally) -> float | None:
    """Returns the measure of one list of scores; None where it is not defined."""
    with np.errstate(invalid="ignore", divide="ignore"):  # 0 of 0 images
        number = float(measure(counts))
    return None if np.isnan(number) else number


def checked(label: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns both as float64 [N], or raises BadArgumentError, a ValueError."""
    try:
        label, score = np.asarray(label), np.asarray(score, np.float64)
    except (TypeError, ValueError):
        raise BadArgumentError("labels and scores must be numbers [N], N above 0") from None
    if label.ndim != 1 or label.shape != score.shape or not label.size:
        raise BadArgumentError(
            f"labels {label.shape} and scores {score.shape} must be [N], N above 0"
        )
    if np.isnan(score).any():
        raise BadArgumentError(f"{np.isnan(score).sum()} of {score.size} scores are NaN")
    if not np.isin(label, (0, 1)).all():
        raise BadArgumentError("labels must be 0 (real) or 1 (fake)")
    return label.astype(np.float64), score
