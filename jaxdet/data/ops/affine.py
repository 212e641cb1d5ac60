"""Moves the pixels of an image by an affine map, black where none comes from."""

import math

import numpy as np

from jaxdet.data.opencv import cv2


def affine(
    image: np.ndarray,
    *,
    turn: float = 0.0,
    shear: tuple[float, float] = (0.0, 0.0),
    shift: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Returns an image turned, sheared and moved about its middle, u8 [H, W, 3], by nearest pixels.

    Args:
      image: u8 [H, W, 3].
      turn: degrees, clockwise.
      shear: along the rows and down the columns, degrees.
      shift: to the right and down, as a fraction of width and height.
    """
    height, width = image.shape[:2]
    angle, across, down = (math.radians(degrees) for degrees in (turn, *shear))
    turning = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = turning @ np.array([[1, math.tan(across)], [math.tan(down), 1]])
    middle = np.array([width - 1, height - 1]) / 2
    moved = middle - linear @ middle + np.array([shift[0] * width, shift[1] * height])
    matrix = np.column_stack([linear, moved])
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_NEAREST)
