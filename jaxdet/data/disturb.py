"""What may happen to a picture on its way to a detector: blur, JPEG, another size, noise.

Each is a pure function of the image and, for noise, of (seed, place in the set): scores of
disturbed images do not depend on workers, batches or the order in which they are computed.
"""

import dataclasses

import numpy as np

from jaxdet.data import ops, order

# Rows and columns of a part of an image.
Box = tuple[slice, slice]

# Rows at a time, so that float32 stays small beside an image of 20 megapixels.
_ROWS = 512


@dataclasses.dataclass(frozen=True, kw_only=True)
class Disturbance:
    """Disturbs every image of a set in one way and by the same amount.

    Attributes:
      kind: "blur" (the published arithmetic), "jpeg" (Pillow, as CNNDetection's `--jpg_method
        pil`), "scale" (Pillow's antialiased bilinear) or "noise" (Gaussian, each channel of each
        pixel by itself, rounded and clipped).
      level: sigma in pixels, quality 1..100, factor, sigma in grey levels.
      seed: of the noise.
    """

    kind: str
    level: float
    seed: int = 0

    def __call__(self, image: np.ndarray, index: int) -> np.ndarray:
        """Disturbs the whole image.

        Args:
          image: u8 [H, W, 3] in BGR; left as it is.
          index: its place in the set.

        Returns:
          u8 [H', W', 3] in BGR, of the same size but for "scale".

        Raises:
          ValueError: where the kind is unknown.
        """
        if self.kind == "blur":
            return _blurred(image, self.level)
        if self.kind == "jpeg":
            return ops.jpeg(image, quality=int(self.level), codec="pil", order="bgr")
        if self.kind == "scale":
            return ops.scale(image, factor=self.level)
        if self.kind == "noise":
            rng = order.random_generator(self.seed, stream=order.NOISE, index=index)
            return ops.add_noise(image, sigma=self.level, rng=rng)
        raise ValueError(f"kind {self.kind!r} is none of blur, jpeg, scale, noise")


def blurred_part(image: np.ndarray, box: Box, *, sigma: float) -> np.ndarray:
    """Returns a copy of a part of the blurred image, u8 [h, w, 3].

    No more than it needs is blurred.
    """
    radius = ops.blur_radius(sigma)
    rows, columns = box
    up, before = min(rows.start, radius), min(columns.start, radius)
    needed = image[
        rows.start - up : rows.stop + radius, columns.start - before : columns.stop + radius
    ]
    height, width = rows.stop - rows.start, columns.stop - columns.start
    blurred = ops.gaussian_blur(needed, sigma=sigma)
    return blurred[up : up + height, before : before + width]


def _blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    blurred = np.empty_like(image)
    for top in range(0, len(image), _ROWS):
        rows = slice(top, min(top + _ROWS, len(image)))
        blurred[rows] = blurred_part(image, (rows, slice(0, image.shape[1])), sigma=sigma)
    return blurred
