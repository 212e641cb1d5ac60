"""Draws sheets of samples to look at."""

from pathlib import Path

import numpy as np

from jaxdet.data.opencv import cv2
from jaxdet.workdir.files import write_bytes

_GAP = 2  # pixels of white between two images


def write_grid(path: Path, images: np.ndarray, *, columns: int = 8) -> None:
    """Writes u8 RGB [N, S, S, 3] as one PNG, row after row, missing places white."""
    sheet = np.ascontiguousarray(make_grid(images, columns=columns)[..., ::-1])
    write_bytes(path, cv2.imencode(".png", sheet)[1].tobytes())


def make_grid(images: np.ndarray, *, columns: int) -> np.ndarray:
    """Returns the sheet u8 [H, W, 3] of images u8 [N, S, S, 3]."""
    rows, cell = -(-len(images) // columns), images.shape[1] + _GAP
    sheet = np.full((rows * cell + _GAP, columns * cell + _GAP, 3), 255, np.uint8)
    for place, image in enumerate(images):
        y, x = (_GAP + cell * k for k in divmod(place, columns))
        sheet[y : y + len(image), x : x + len(image)] = image
    return sheet
