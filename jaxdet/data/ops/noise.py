"""Adds Gaussian noise to pixels."""

import numpy as np

# Rows at a time, so that float32 stays small beside an image of 20 megapixels.
_ROWS = 512


def add_noise(image: np.ndarray, *, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Adds independent Gaussian noise to each channel of each pixel of an image.

    Args:
      image: u8 [H, W, 3], channels in any order.
      sigma: standard deviation, grey levels.
      rng: where the noise comes from, drawn in the order of the array.

    Returns:
      u8 [H, W, 3], rounded and cut to 0..255.
    """
    noisy = np.empty_like(image)
    for top in range(0, len(image), _ROWS):
        rows = image[top : top + _ROWS]
        levels = rows + np.float32(sigma) * rng.standard_normal(rows.shape, np.float32)
        noisy[top : top + _ROWS] = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return noisy
