"""Cuts out the square of an image that the network sees."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxdet.config.augment import Augment
from jaxdet.data import ops
from jaxdet.data.augment.operation import Operation, apply_each, apply_within
from jaxdet.data.order import Streams


class TooSmallError(ValueError):
    """Reports an image that a random crop does not fit in."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Crop:
    """Cuts a square out of an image.

    Attributes:
      side: pixels.
      corner: (top, left) as fractions of where it can begin, each in [0, 1); None for the centre,
        for which a smaller image is padded with black.
      pads: whether one is for a corner as well, at the place that the corner says.
    """

    side: int
    corner: tuple[float, float] | None = None
    pads: bool = False
    margin = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the square, u8 [side, side, 3].

        Raises:
          TooSmallError: where a corner is drawn in an image that is smaller and not padded.
        """
        if self.corner is None:
            return ops.center_crop(image, size=self.side)
        if self.pads:
            image = ops.pad_to(image, size=self.side, at=self.corner)
        top, left = self._place(image)
        return ops.crop_at(image, top=top, left=left, size=self.side)

    def apply_after(self, before: Sequence[Operation], image: np.ndarray) -> np.ndarray:
        """Returns the square of the image after other operations, each with a margin.

        Pixels that it does not depend on are not computed.

        Raises:
          TooSmallError: as `apply`.
        """
        if not before or min(image.shape[:2]) < self.side:
            return self.apply(apply_each(before, image))
        top, left = self._place(image)
        return apply_within(
            before, image, slice(top, top + self.side), slice(left, left + self.side)
        )

    def _place(self, image: np.ndarray) -> tuple[int, int]:
        """Returns top and left of the square in an image that holds it, pixels."""
        height, width = image.shape[:2]
        if self.corner is None:
            return ops.center_corner(height, self.side), ops.center_corner(width, self.side)
        if min(height, width) < self.side:
            raise TooSmallError(f"{width}x{height} pixels are less than the crop of {self.side}")
        top, left = self.corner
        return int(top * (height - self.side + 1)), int(left * (width - self.side + 1))


def sample(augment: Augment, streams: Streams) -> Crop:
    """Returns the operation with a corner for each image, whatever the scope, or the centre."""
    if augment.corner == "centre":
        return Crop(side=augment.crop)
    top, left = streams.own("crop").random(2)
    pads = augment.small_images == "pad"
    return Crop(side=augment.crop, corner=(float(top), float(left)), pads=pads)
