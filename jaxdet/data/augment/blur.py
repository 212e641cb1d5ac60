"""Blurs images: as published, by torchvision's three taps, or OpenCV's by its kernel's side."""

import dataclasses

import numpy as np

from jaxdet.config.augment import Augment
from jaxdet.data import ops
from jaxdet.data.order import Streams

# Frank and Holz (transforms.py:133-141) meant a range of deviations and gave one for each axis.
_VERTICAL_SIGMA = 3.0
# Images of more levels are blurred in strips of so many rows: float32 stays small beside them.
_MANY_LEVELS = 3 * 2**22
_STRIP = 512


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blur:
    """Blurs an image.

    Attributes:
      sigma: deviation, pixels; None where it follows from `taps`.
      taps: side of a kernel of its own: 3 for the blurs of three taps, any odd number for OpenCV's;
        None for one that follows from `sigma`.
      vertical: whether three taps blur down the columns alone.
      backend: "faithful" is the published arithmetic, "fast" within one level of it.
    """

    sigma: float | None = None
    taps: int | None = None
    vertical: bool = False
    backend: str = "faithful"

    @property
    def margin(self) -> int:
        """Returns the radius of the kernel, pixels."""
        if self.taps is not None:
            return self.taps // 2
        return 0 if self.sigma is None else ops.blur_radius(self.sigma)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the blurred image, each channel by itself."""
        if self.sigma is None:
            return image if self.taps is None else ops.kernel_blur(image, size=self.taps)
        if self.taps is None:
            return self._gaussian(image, self.sigma)
        sigma_x = 0.0 if self.vertical else self.sigma
        return ops.three_tap_blur(image, sigma_x=sigma_x, sigma_y=self.sigma)

    def _gaussian(self, image: np.ndarray, sigma: float) -> np.ndarray:
        if image.size <= _MANY_LEVELS:
            return ops.gaussian_blur(image, sigma=sigma, backend=self.backend)
        blurred, radius = np.empty_like(image), self.margin
        for top in range(0, len(image), _STRIP):
            up = min(top, radius)
            strip = image[top - up : top + _STRIP + radius]
            done = ops.gaussian_blur(strip, sigma=sigma, backend=self.backend)
            blurred[top : top + _STRIP] = done[up : up + _STRIP]
        return blurred


def sample(augment: Augment, streams: Streams) -> Blur | None:
    """Returns the operation with what was drawn for it, or None by its coin."""
    if not augment.blur_probability:
        return None
    coin, drawn = streams.shared("blur").random(2)
    if coin >= augment.blur_probability:
        return None
    sigma = float(np.interp(drawn, (0, 1), augment.blur_sigma))
    match augment.blur:
        case "kernel":
            return Blur(taps=augment.blur_kernels[int(drawn * len(augment.blur_kernels))])
        case "three_tap":
            return Blur(sigma=sigma, taps=3)
        case "three_tap_vertical":
            return Blur(sigma=_VERTICAL_SIGMA, taps=3, vertical=True)
        case _:
            return Blur(sigma=sigma, backend=augment.backend)
