"""Holds what analyses of a set keep in files of arrays, beside its predictions."""

import dataclasses
from typing import ClassVar

import numpy as np

from jaxdet.results.arrays import Forms


@dataclasses.dataclass(frozen=True, kw_only=True)
class CropScores:
    """Holds logits of random crops of a few images of a set, to learn a threshold from.

    Attributes:
      id: str [N].
      label: i32 [N], 1 = fake.
      logit: f32 [N, crops].
      fingerprint: hex digest of what the scores follow from.
    """

    FORMS: ClassVar[Forms] = {"id": ("U", 1), "label": ("i", 1), "logit": ("f", 2)}

    id: np.ndarray
    label: np.ndarray
    logit: np.ndarray
    fingerprint: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Holds average spectra of the images of a set after a high pass, frequency 0 in the middle.

    Attributes:
      real: f32 [S, S], mean magnitude over the real images; NaN where there are none.
      fake: f32 [S, S], the same over the fakes.
      n_real: real images in the mean.
      n_fake: fakes in the mean.
      n_small: images left out because they are smaller than S.
      fingerprint: hex digest of what the spectra follow from.
    """

    FORMS: ClassVar[Forms] = {"real": ("f", 2), "fake": ("f", 2)}

    real: np.ndarray
    fake: np.ndarray
    n_real: int
    n_fake: int
    n_small: int
    fingerprint: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranked:
    """Holds images of a set picked by their score, with their activation maps (CAM).

    Attributes:
      id: str [N].
      label: i32 [N], 1 = fake.
      logit: f32 [N], of the set's predictions.
      role: str [N], why the image is here: "percentile 0", "percentile 25", ... of its label's
        logits from most real to most fake, "mistake 1" for the most mistaken and so on, or both:
        "percentile 100, mistake 1".
      image: u8 [N, S, S, 3], the crop that was scored, RGB.
      evidence: f32 [N, h, w], contribution of each place of the last feature map to the logit,
        above 0 where it speaks for fake.
      fingerprint: hex digest of what they follow from.
    """

    FORMS: ClassVar[Forms] = {
        "id": ("U", 1), "label": ("i", 1), "logit": ("f", 1), "role": ("U", 1), "image": ("u", 4),
        "evidence": ("f", 3),
    }  # fmt: skip

    id: np.ndarray
    label: np.ndarray
    logit: np.ndarray
    role: np.ndarray
    image: np.ndarray
    evidence: np.ndarray
    fingerprint: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lineup:
    """Holds images of a set that were drawn at random, from most real to most fake.

    Attributes:
      id: str [N].
      label: i32 [N], 1 = fake.
      logit: f32 [N], rising, of the set's predictions.
      image: u8 [N, S, S, 3], thumbnails of the centre crop, RGB.
      fingerprint: hex digest of what they follow from.
    """

    FORMS: ClassVar[Forms] = {
        "id": ("U", 1), "label": ("i", 1), "logit": ("f", 1), "image": ("u", 4),
    }  # fmt: skip

    id: np.ndarray
    label: np.ndarray
    logit: np.ndarray
    image: np.ndarray
    fingerprint: str
