"""Resizes the shorter side of images, and shrinks the longer one."""

import dataclasses

import numpy as np

from jaxdet.config.augment import Augment
from jaxdet.data import ops
from jaxdet.data.order import Streams


@dataclasses.dataclass(frozen=True)
class Resize:
    """Resizes an image to a shorter side of so many pixels; see `ops.resize_shorter`."""

    side: int
    kernel: str = "bilinear"
    margin = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the resized image."""
        return ops.resize_shorter(image, size=self.side, kernel=self.kernel)


@dataclasses.dataclass(frozen=True)
class Shrink:
    """Shrinks an image whose longer side has more pixels; see `ops.shrink_longer`."""

    side: int
    margin = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the shrunk image."""
        return ops.shrink_longer(image, size=self.side)


def sample(augment: Augment, _: Streams) -> Resize | None:
    """Returns the operation, the same for every image; None without it."""
    return Resize(augment.resize, augment.resize_kernel) if augment.resize else None
