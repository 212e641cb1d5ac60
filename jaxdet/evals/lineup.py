"""Draws a few real and generated images of a set at random, and orders them by their score.

Wang et al., CVPR 2020, figure A.1. Unlike a ranking's, they are not picked by their score: what one
sees is what the detector meets.
"""

import numpy as np
from PIL import Image

from jaxdet.config import Config
from jaxdet.data import order
from jaxdet.data.images import ImageSet
from jaxdet.evals.ranking import read_crops
from jaxdet.results import Lineup, Predictions
from jaxdet.scoring.protocol import Protocol
from jaxdet.workdir.identity import fingerprint_of

_EACH = 20  # of each label
_SIDE = 96  # pixels of a thumbnail, at most


def line_up(config: Config, images: ImageSet, predictions: Predictions) -> Lineup:
    """Returns thumbnails of the centre crops, from most real to most fake.

    Args:
      config: the run's.
      images: the set.
      predictions: its scores.

    Raises:
      BadImageError: for an unreadable image under `data.on_bad_image=stop`.
    """
    rows = np.concatenate([_drawn(config, predictions, which) for which in (0, 1)])
    rows = rows[np.argsort(predictions.logit[rows], kind="stable")]
    crops = read_crops(config, images, predictions.id[rows])
    # An image that was readable when it was scored and no longer is has nothing to show.
    shown = [(row, crop) for row, crop in zip(rows, crops, strict=True) if crop is not None]
    side = min(_SIDE, config.eval_crop)
    pixels = [np.asarray(Image.fromarray(crop).resize((side, side))) for _, crop in shown]
    there = np.array([row for row, _ in shown], np.int64)
    return Lineup(
        id=predictions.id[there],
        label=predictions.label[there],
        logit=predictions.logit[there],
        image=np.array(pixels, np.uint8).reshape(-1, side, side, 3),
        fingerprint=lineup_fingerprint(config, predictions),
    )


def lineup_fingerprint(config: Config, predictions: Predictions) -> str:
    """Returns 16 hex digits over what a line-up follows from: scores, crop and seed."""
    facts = f"lineup {predictions.fingerprint} {Protocol.of_run(config).centre} {config.seed}"
    return fingerprint_of(facts)


def _drawn(config: Config, predictions: Predictions, which: int) -> np.ndarray:
    """Returns rows of a label, each at most once."""
    rows = np.flatnonzero(predictions.label == which)
    rng = order.random_generator(config.seed, stream=order.LINEUP, index=which)
    return rng.permutation(rows)[:_EACH]
