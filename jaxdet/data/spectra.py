"""Sums spectra of images after a high pass: where upsampling leaves its periodic trace.

Wang et al., CVPR 2020, figure 7, by the authors' recipe (CNNDetection, issue 21).
"""

import dataclasses
from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from jaxdet.data.images import ImageSet
from jaxdet.data.opencv import cv2
from jaxdet.data.ops import center_crop
from jaxdet.data.readers import Reader

# Sides are multiples of this, so that the frequencies 1/2, 1/4 and 1/8 are bins of the transform.
_MULTIPLE = 8
# Share of the images that a side may leave out as too small.
_MAY_BE_SMALLER = 0.1
# Images summed at a time.
_BATCH = 16
_MEDIAN = 5


class Sums(TypedDict):
    """Holds sums over some images, the reals first, the fakes second.

    Attributes:
      magnitude: f64 [2, S, S], frequency 0 in the middle.
      count: i64 [2], images in the sums.
      small: i64 [1], images left out because they are smaller than S.
      bad: i64 [1], images left out because they could not be read.
    """

    magnitude: np.ndarray
    count: np.ndarray
    small: np.ndarray
    bad: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpectrumLoader:
    """Makes `Sums` over a few of the chosen images for each batch number.

    Attributes:
      read: gives their pixels.
      chosen: places in the set.
      side: of the centre crop, pixels.
    """

    read: Reader
    chosen: Sequence[int] | np.ndarray
    side: int

    @property
    def batch_bytes(self) -> int:
        """Returns the size of one batch, bytes."""
        return 2 * self.side**2 * 8

    @property
    def steps(self) -> int:
        """Returns the number of batches that hold all chosen images."""
        return -(-len(self.chosen) // _BATCH)

    def __call__(self, step: int) -> Sums:
        """Returns the batch of a number."""
        sums = Sums(
            magnitude=np.zeros((2, self.side, self.side)),
            count=np.zeros(2, np.int64),
            small=np.zeros(1, np.int64),
            bad=np.zeros(1, np.int64),
        )
        for index in self.chosen[step * _BATCH : (step + 1) * _BATCH]:
            self._add(sums, int(index))
        return sums

    def _add(self, sums: Sums, index: int) -> None:
        pixels = self.read(index)
        if pixels is None:
            sums["bad"] += 1
        elif min(pixels.shape[:2]) < self.side:
            sums["small"] += 1
        else:
            label = self.read.images.labels[index]
            sums["magnitude"][label] += high_pass_magnitude(center_crop(pixels, size=self.side))
            sums["count"][label] += 1


def high_pass_magnitude(image: np.ndarray) -> np.ndarray:
    """Returns the magnitudes f32 [S, S] of the transform of what a median filter takes away.

    The grey image (Rec. 601, whole levels) minus its 5 x 5 median, through the discrete Fourier
    transform without a factor, frequency 0 in the middle.

    Args:
      image: u8 [S, S, 3] in BGR.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    rest = grey.astype(np.float32) - cv2.medianBlur(grey, _MEDIAN)
    return np.fft.fftshift(np.abs(np.fft.fft2(rest)))


def choose_images(images: ImageSet, *, most: int) -> np.ndarray:
    """Returns the places, i64, of at most `most` images of each label, spread evenly over the set.

    A set is in the order of its categories, so that each has its share.
    """
    chosen = []
    for label in (0, 1):
        places = np.flatnonzero(images.labels == label)
        spaced = np.arange(min(most, len(places))) * len(places) // max(min(most, len(places)), 1)
        chosen.append(places[spaced])
    return np.sort(np.concatenate(chosen))


def choose_side(images: ImageSet, chosen: Sequence[int] | np.ndarray, *, crop: int) -> int:
    """Returns the largest multiple of 8 up to `crop` that nine in ten chosen images reach, pixels.

    Images whose header cannot be read have no say. At least 8, however small the images are.
    """
    sizes = [images.size(int(index)) for index in chosen]
    shorter = sorted(min(size) for size in sizes if size is not None)
    reached = shorter[int(_MAY_BE_SMALLER * len(shorter))] if shorter else crop
    return max(min(crop, reached) // _MULTIPLE * _MULTIPLE, _MULTIPLE)
