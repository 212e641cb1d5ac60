"""Brings what was seen of images into the form in which `fit` learns from it, and back."""

import dataclasses

import numpy as np

from jaxdet.adapt.features import Seen
from jaxdet.adapt.fit import FOLDS, Change, Rows

# Directions in which features differ by less than this share of the most are rounding.
_FLAT = 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Basis:
    """Holds the directions in which the features of some images differ.

    Attributes:
      mean: f64 [D].
      to_rows: f64 [D, R], of which a feature less the mean is multiplied.
    """

    mean: np.ndarray
    to_rows: np.ndarray

    def in_features(self, change: Change) -> tuple[np.ndarray, float]:
        """Returns the weights f64 [D] and the bias that add the same to a logit."""
        weights = self.to_rows @ change.weights
        return weights, change.bias - float(self.mean @ weights)


def to_rows(few: Seen, kept: Seen | None) -> tuple[Rows, Basis]:
    """Returns rows of the few images and then of the kept ones, and the basis of their features."""
    parts = [few] if kept is None else [few, kept]
    features = np.concatenate([one.features for one in parts])
    mean = features.mean(axis=0)
    _, sizes, directions = np.linalg.svd(features - mean, full_matrices=False)
    directions = directions[sizes > _FLAT * max(sizes[0], 1e-12)].T
    length = np.sqrt(np.square(sizes).sum() / len(features)) or 1.0
    basis = Basis(mean=mean, to_rows=directions / length)
    rows = Rows(
        x=(features - mean) @ basis.to_rows,
        logit=np.concatenate([one.logit for one in parts]),
        label=np.concatenate([one.label for one in parts]),
        is_new=np.repeat([True, False][: len(parts)], [len(one) for one in parts]),
        fold=np.concatenate([_folds(one) for one in parts]),
    )
    return rows, basis


def _folds(seen: Seen) -> np.ndarray:
    """Deals the images of each label out by their digests: names and order make no difference."""
    fold = np.zeros(len(seen), np.int64)
    for label in (0, 1):
        places = np.flatnonzero(seen.label == label)
        fold[places[np.argsort(seen.mark[places])]] = np.arange(len(places)) % FOLDS
    return fold
