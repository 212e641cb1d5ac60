"""Mirrors images."""

import dataclasses

import numpy as np

from jaxdet.config.augment import Augment
from jaxdet.data import ops
from jaxdet.data.order import Streams


@dataclasses.dataclass(frozen=True)
class Flip:
    """Mirrors an image left to right."""

    margin = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the mirrored image."""
        return ops.flip(image)


def sample(augment: Augment, streams: Streams) -> Flip | None:
    """Returns the operation, or None by its coin; each image has its own, whatever the scope."""
    if not augment.flip_probability:
        return None
    return Flip() if streams.own("flip").random(1)[0] < augment.flip_probability else None
