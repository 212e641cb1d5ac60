"""Draws the split of each bundle: a pure function of the seed and the bundle's key."""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from jaxdet.data.images import SPLITS
from jaxdet.data.words import LABELS

# Seeds that are tried for another draw, of at most so many bundles.
_SEEDS, _MOST_BUNDLES = 100, 10_000
_TRAIN, _VAL, _TEST = range(len(SPLITS))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shares:
    """States which share of the bundles, in [0, 1), goes to each of two splits."""

    val: float
    test: float

    def draw(self, keys: Sequence[str], seed: int) -> np.ndarray:
        """Returns the place in SPLITS of each bundle, i64 [B]; no other bundle changes it."""
        drawn = np.array([_drawn(key, seed) for key in keys])
        return np.where(
            drawn < self.test, _TEST, np.where(drawn < self.test + self.val, _VAL, _TRAIN)
        )

    @property
    def wanted(self) -> list[int]:
        """Returns the places in SPLITS of the splits that get a share."""
        return [_TRAIN, *([_VAL] if self.val else []), *([_TEST] if self.test else [])]


def counts_of(split: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Returns the number of images of each split and label, i64 [3, 2]."""
    return np.bincount(split * 2 + label, minlength=6).reshape(3, 2)


def lack_of(counts: np.ndarray, shares: Shares) -> str:
    """Returns that a split would lack images of a label, or any; "" where none would."""
    for split in shares.wanted:
        lacking = [LABELS[label] for label in (0, 1) if not counts[split, label]]
        if lacking:
            what = lacking[0] + " " if len(lacking) == 1 else ""
            return f"{SPLITS[split]} would have no {what}images"
    return ""


def other_seed(
    keys: Sequence[str], bundle: np.ndarray, label: np.ndarray, shares: Shares
) -> int | None:
    """Returns the least seed by which every split has both labels; None where few tries find none.

    Args:
      keys: of the bundles.
      bundle: i64 [N], of each image.
      label: i32 [N].
      shares: of the splits.
    """
    if len(keys) > _MOST_BUNDLES:
        return None
    draws = ((seed, shares.draw(keys, seed)[bundle]) for seed in range(_SEEDS))
    fitting = (seed for seed, split in draws if not lack_of(counts_of(split, label), shares))
    return next(fitting, None)


def _drawn(key: str, seed: int) -> float:
    """Returns a number in [0, 1) that follows from a key and the seed alone."""
    text = f"{seed}\0{key}".encode("utf8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:6], "big") / 2**48
