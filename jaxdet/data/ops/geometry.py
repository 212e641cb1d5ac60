"""Resizes, crops and flips images, with torchvision's rounding."""

import numpy as np
from PIL import Image

from jaxdet.data.opencv import cv2
from jaxdet.data.ops.sides import check_made


def resize_shorter(image: np.ndarray, *, size: int, kernel: str = "bilinear") -> np.ndarray:
    """Resizes an image so that its shorter side has `size` pixels.

    By one of Pillow's antialiased filters. The longer side is truncated to whole pixels, as
    torchvision does.

    Args:
      image: u8 [H, W, 3].
      size: pixels.
      kernel: any of Pillow's, in small letters.

    Returns:
      u8 [H', W', 3] with min(H', W') == size.

    Raises:
      RefusedSizeError: where the longer side would become absurd.
    """
    height, width = image.shape[:2]
    if min(height, width) == size:
        return image
    new_width, new_height = shorter_resized(width, height, size=size)
    check_made(new_width, new_height, of=height * width)
    made = Image.fromarray(image).resize((new_width, new_height), Image.Resampling[kernel.upper()])
    return np.asarray(made)


def shorter_resized(width: int, height: int, *, size: int) -> tuple[int, int]:
    """Returns width and height, pixels, of what `resize_shorter` makes of an image."""
    wide = width > height
    return (int(size * width / height), size) if wide else (size, int(size * height / width))


def shrink_longer(image: np.ndarray, *, size: int) -> np.ndarray:
    """Shrinks an image whose longer side has more than `size` pixels; leaves smaller ones alone.

    By Pillow's antialiased bilinear filter.

    Args:
      image: u8 [H, W, 3].
      size: pixels.

    Returns:
      u8 [H', W', 3] with max(H', W') <= size; the shorter side is rounded, to at least one pixel.
    """
    longer = max(image.shape[:2])
    return image if longer <= size else scale(image, factor=size / longer)


def crop_at(image: np.ndarray, *, top: int, left: int, size: int) -> np.ndarray:
    """Returns the square u8 [size, size, 3] whose upper left corner is (top, left)."""
    return image[top : top + size, left : left + size]


def center_crop(image: np.ndarray, *, size: int) -> np.ndarray:
    """Returns the middle of an image, u8 [size, size, 3].

    A smaller image is first padded with black on both sides; see `pad_to`. No more than the middle
    is padded: a strip would become a large square.
    """
    height, width = image.shape[:2]
    top, left = (max(center_corner(side, size), 0) for side in (height, width))
    return pad_to(crop_at(image, top=top, left=left, size=size), size=size)


def pad_to(image: np.ndarray, *, size: int, at: tuple[float, float] | None = None) -> np.ndarray:
    """Pads an image, u8 [H, W, 3], with black where a side is shorter than `size` pixels.

    It begins `at` the top and left that are given, as fractions in [0, 1) of all places, or lies in
    the middle, the odd pixel at the bottom and right, as in torchvision's centre crop.

    Raises:
      RefusedSizeError: where a strip would become absurdly large.
    """
    pad_y, pad_x = (max(size - side, 0) for side in image.shape[:2])
    if not pad_y and not pad_x:
        return image
    height, width = image.shape[:2]
    check_made(max(size, width), max(size, height), of=height * width)
    up, left = pad_y // 2, pad_x // 2
    if at is not None:
        up, left = int(at[0] * (pad_y + 1)), int(at[1] * (pad_x + 1))
    return np.pad(image, ((up, pad_y - up), (left, pad_x - left), (0, 0)))


def scale(image: np.ndarray, *, factor: float) -> np.ndarray:
    """Scales both sides by the factor, by Pillow's antialiased bilinear filter.

    Args:
      image: u8 [H, W, 3].
      factor: above 0; sides are rounded to whole pixels, at least one.

    Returns:
      u8 [H', W', 3].

    Raises:
      RefusedSizeError: where it would become absurdly large.
    """
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    check_made(width, height, of=image.shape[0] * image.shape[1])
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def rescale(image: np.ndarray, *, factor: float) -> np.ndarray:
    """Returns the image scaled by the factor and back to its size, u8 [H, W, 3]; see `scale`."""
    height, width = image.shape[:2]
    scaled = Image.fromarray(scale(image, factor=factor))
    return np.asarray(scaled.resize((width, height), Image.Resampling.BILINEAR))


def center_corner(length: int, size: int) -> int:
    """Returns where the middle `size` of `length` pixels begin.

    Rounded to even, as torchvision does.
    """
    return round((length - size) / 2)


def flip(image: np.ndarray) -> np.ndarray:
    """Mirrors an image left to right."""
    return cv2.flip(image, 1)
