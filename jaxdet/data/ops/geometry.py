"""Resize, crop and flip, with torchvision's rounding."""

import cv2
import numpy as np
from PIL import Image


def resize_shorter(image: np.ndarray, *, size: int) -> np.ndarray:
    """The image with its shorter side at `size` pixels, by Pillow's antialiased bilinear filter.

    The longer side is truncated to whole pixels, as torchvision does.

    Args:
      image: u8 [H, W, 3].
      size: pixels.

    Returns:
      u8 [H', W', 3] with min(H', W') == size.
    """
    height, width = image.shape[:2]
    if min(height, width) == size:
        return image
    new_height = size if height <= width else int(size * height / width)
    new_width = size if width <= height else int(size * width / height)
    resized = Image.fromarray(image).resize((new_width, new_height), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def crop_at(image: np.ndarray, *, top: int, left: int, size: int) -> np.ndarray:
    """The square u8 [size, size, 3] whose upper left corner is (top, left)."""
    return image[top : top + size, left : left + size]


def center_crop(image: np.ndarray, *, size: int) -> np.ndarray:
    """The middle u8 [size, size, 3]; a smaller image is first padded with black on both sides.

    The odd pixel of padding is at the bottom and right, as in torchvision.
    """
    height, width = image.shape[:2]
    pad_y, pad_x = max(size - height, 0), max(size - width, 0)
    if pad_y or pad_x:
        borders = ((pad_y // 2, pad_y - pad_y // 2), (pad_x // 2, pad_x - pad_x // 2), (0, 0))
        image = np.pad(image, borders)
        height, width = image.shape[:2]
    return crop_at(
        image, top=center_corner(height, size), left=center_corner(width, size), size=size
    )


def center_corner(length: int, size: int) -> int:
    """Where the middle `size` of `length` pixels begin, rounded to even as torchvision does."""
    return round((length - size) / 2)


def flip(image: np.ndarray) -> np.ndarray:
    """The image mirrored left to right."""
    return cv2.flip(image, 1)
