"""Adds Gaussian noise to images."""

import dataclasses

import numpy as np

from jaxdet.config.augment import Augment
from jaxdet.data import ops
from jaxdet.data.order import Stream, Streams


@dataclasses.dataclass(frozen=True, kw_only=True)
class Noise:
    """Adds Gaussian noise to each channel of each pixel, rounded and clipped.

    Attributes:
      sigma: deviation, grey levels.
      stream: where the noise of an image comes from.
    """

    sigma: float
    stream: Stream
    # Each pixel's noise is its own, but which it is depends on the shape of the image.
    margin = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the image with noise."""
        return ops.add_noise(image, sigma=self.sigma, rng=self.stream.generator())


def sample(augment: Augment, streams: Streams) -> Noise | None:
    """Returns the operation with a deviation drawn evenly from its range, or None by its coin."""
    if not augment.noise_probability:
        return None
    coin, drawn = streams.shared("noise").random(2)
    if coin >= augment.noise_probability:
        return None
    sigma = float(np.interp(drawn, (0, 1), augment.noise_sigma))
    return Noise(sigma=sigma, stream=streams.own("noise pixels"))
