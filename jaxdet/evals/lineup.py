"""Draws a few real and generated images of a set at random, and orders them by their score.

Wang et al., CVPR 2020, figure A.1. Unlike a ranking's, they are not picked by their score: what one
sees is what the detector meets.
"""

import numpy as np
from PIL import Image

from jaxdet.data import order
from jaxdet.data.readers import Reader
from jaxdet.evals.ranking import read_crops
from jaxdet.results import Lineup, Predictions
from jaxdet.scoring.protocol import Protocol

_EACH = 20  # of each label
_SIDE = 96  # pixels of a thumbnail, at most


def line_up(
    read: Reader, predictions: Predictions, *, centre: Protocol, seed: int, fingerprint: str
) -> Lineup:
    """Returns thumbnails of the centre crops, from most real to most fake.

    Args:
      read: the set.
      predictions: its scores.
      centre: the crop that is shown.
      seed: of the choice.
      fingerprint: of all these.

    Raises:
      BadImageError: for an unreadable image under `data.on_bad_image=stop`.
    """
    rows = np.concatenate([_drawn(predictions, which, seed) for which in (0, 1)])
    rows = rows[np.argsort(predictions.logit[rows], kind="stable")]
    crops = read_crops(read, predictions.id[rows], centre)
    # An image that was readable when it was scored and no longer is has nothing to show.
    shown = [(row, crop) for row, crop in zip(rows, crops, strict=True) if crop is not None]
    side = min(_SIDE, centre.crop)
    pixels = [np.asarray(Image.fromarray(crop).resize((side, side))) for _, crop in shown]
    there = np.array([row for row, _ in shown], np.int64)
    return Lineup(
        id=predictions.id[there],
        label=predictions.label[there],
        logit=predictions.logit[there],
        image=np.array(pixels, np.uint8).reshape(-1, side, side, 3),
        fingerprint=fingerprint,
    )


def _drawn(predictions: Predictions, which: int, seed: int) -> np.ndarray:
    """Returns rows of a label, each at most once."""
    rows = np.flatnonzero(predictions.label == which)
    rng = order.random_generator(seed, stream=order.LINEUP, index=which)
    return rng.permutation(rows)[:_EACH]
