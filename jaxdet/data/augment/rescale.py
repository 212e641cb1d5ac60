"""Scales images by a factor, and back to their size."""

import dataclasses

import numpy as np

from jaxdet.config.augment import Augment
from jaxdet.data import ops
from jaxdet.data.order import Streams


@dataclasses.dataclass(frozen=True)
class Rescale:
    """Scales an image by a factor and back; see `ops.rescale`."""

    factor: float
    margin = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the image with what scaling left of it."""
        return ops.rescale(image, factor=self.factor)


@dataclasses.dataclass(frozen=True)
class Scale:
    """Scales an image by a factor; see `ops.scale`."""

    factor: float
    margin = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the scaled image."""
        return ops.scale(image, factor=self.factor)


def sample(augment: Augment, streams: Streams) -> Rescale | None:
    """Returns the operation with a factor drawn evenly from its range, or None by its coin."""
    if not augment.rescale_probability:
        return None
    coin, drawn = streams.shared("rescale").random(2)
    if coin >= augment.rescale_probability:
        return None
    return Rescale(float(np.interp(drawn, (0, 1), augment.rescale_factor)))
