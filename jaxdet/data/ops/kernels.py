"""Blurs images by few taps, as the reproductions and Xuan et al. apply them."""

import numpy as np

from jaxdet.data.opencv import cv2

# torch pads by "reflect", which does not repeat the edge pixel; so does OpenCV by default.
_BORDER = cv2.BORDER_REFLECT_101


def three_tap_blur(image: np.ndarray, *, sigma_x: float, sigma_y: float) -> np.ndarray:
    """Applies torchvision's gaussian_blur with a kernel of 3 x 3, whatever the deviation.

    Frank and Holz (transforms.py) blur so: three taps are a far weaker blur than Wang et al.'s.

    Args:
      image: u8 [H, W, 3].
      sigma_x: deviation along the rows, pixels; 0 for no blur along them.
      sigma_y: deviation down the columns, likewise.

    Returns:
      u8 [H, W, 3], rounded to the nearest level, halves to the even one.
    """
    along, down = _three_taps(sigma_x), _three_taps(sigma_y)
    return np.rint(cv2.sepFilter2D(image, cv2.CV_32F, along, down, borderType=_BORDER)).astype(
        np.uint8
    )


def kernel_blur(image: np.ndarray, *, size: int) -> np.ndarray:
    """Applies OpenCV's Gaussian blur by the side of its kernel, from which the deviation follows.

    Xuan et al. 2019 draw 1, 3, 5 or 7; 1 leaves the image as it is.

    Args:
      image: u8 [H, W, 3].
      size: side of the kernel, odd, pixels; the deviation is 0.3 * ((size - 1) / 2 - 1) + 0.8.

    Returns:
      u8 [H, W, 3].
    """
    return image if size == 1 else cv2.GaussianBlur(image, (size, size), 0)


def _three_taps(sigma: float) -> np.ndarray:
    """Returns the three taps, f32 [3]: the density at -1, 0 and 1, to sum 1."""
    side = np.exp(-0.5 / (sigma * sigma)) if sigma > 1e-3 else 0.0
    return np.array([side, 1.0, side], np.float32) / np.float32(1 + 2 * side)
