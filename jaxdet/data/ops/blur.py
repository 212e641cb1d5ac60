"""Gaussian blur, as published and fast."""

import cv2
import numpy as np
from scipy import ndimage

# SciPy's default: the kernel ends at four standard deviations.
_TRUNCATE = 4.0


def gaussian_blur(image: np.ndarray, *, sigma: float, backend: str = "faithful") -> np.ndarray:
    """The image blurred channel by channel.

    Args:
      image: u8 [H, W, 3].
      sigma: standard deviation, pixels; below 0.125 the kernel has one tap and nothing changes.
      backend: "faithful" is SciPy's filter in place on uint8, as CNNDetection
        (data/datasets.py) runs it: values are truncated after each axis, which darkens the
        image by about one grey level. "fast" is OpenCV with the same kernel and borders,
        rounded once: up to two levels brighter.

    Returns:
      u8 [H, W, 3].

    Raises:
      ValueError: where the backend is unknown.
    """
    if backend == "faithful":
        return _blur_scipy(image, sigma)
    if backend == "fast":
        return _blur_opencv(image, sigma)
    raise ValueError(f"backend {backend!r} is neither 'faithful' nor 'fast'")


def _blur_scipy(image: np.ndarray, sigma: float) -> np.ndarray:
    blurred = image.copy()
    for channel in range(3):
        plane = blurred[:, :, channel]
        ndimage.gaussian_filter(plane, sigma=sigma, output=plane, truncate=_TRUNCATE)
    return blurred


def _blur_opencv(image: np.ndarray, sigma: float) -> np.ndarray:
    radius = int(_TRUNCATE * sigma + 0.5)
    if radius == 0:
        return image.copy()
    size = 2 * radius + 1
    # BORDER_REFLECT repeats the edge pixel, as SciPy's "reflect" does (half-sample symmetric).
    return cv2.GaussianBlur(
        image, (size, size), sigmaX=sigma, sigmaY=sigma, borderType=cv2.BORDER_REFLECT
    )
