"""Computes what an audit keeps of pixels: a digest, a perceptual hash, a thumbnail, blocking."""

import hashlib
import math

import numpy as np

from jaxdet.data.opencv import cv2

THUMB_SIDE = 16
_HASH_SIDE = 32
_BLOCK = 8  # JPEG's
_BAND = 256  # rows at a time
_STEEPEST = 24.0  # grey levels; edges of objects count as no more than this


def pixel_digest(image: np.ndarray) -> bytes:
    """Returns 16 bytes, equal for two images exactly where sides and pixels are equal.

    Args:
      image: u8 [H, W, 3].
    """
    shape = np.array(image.shape, np.int64).tobytes()
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16, key=shape).digest()


def perceptual_hash(grey: np.ndarray) -> int:
    """Returns 64 bits that survive re-encoding and small resizes.

    They are the signs of the lowest DCT coefficients: the 64 lowest frequencies of the image at
    32x32, without the mean. Measured on 400 images of 144 to 256 pixels, 99 in 100 stay within 6
    bits of themselves through JPEG at quality 40 or a change of size between a half and one and a
    half; of 80,000 pairs of unlike images none came nearer than 14 bits.

    Args:
      grey: u8 [H, W].
    """
    small = cv2.resize(grey, (_HASH_SIDE, _HASH_SIDE), interpolation=cv2.INTER_AREA)
    signs = cv2.dct(small.astype(np.float32))[_LOWEST] > 0
    return int(np.packbits(signs).view(np.uint64)[0])


def thumbnail(grey: np.ndarray) -> np.ndarray:
    """Returns the grey image at 16x16, row by row, u8 [16 * 16]."""
    side = (THUMB_SIDE, THUMB_SIDE)
    return cv2.resize(grey, side, interpolation=cv2.INTER_AREA).ravel()


def blocking(grey: np.ndarray) -> float:
    """Returns how much more an image breaks at every eighth pixel than elsewhere; about 0 for none.

    Across each pair of neighbouring columns (then rows) the third difference is taken, which a
    smooth gradient does not move, and averaged for each of the eight phases. Earlier JPEG leaves
    one phase above the others, wherever a crop has moved the grid: its excess over their mean,
    as a share, averaged over the two axes. Other things of period 8 do the same.

    Args:
      grey: u8 [H, W].

    Returns:
      A share; NaN where a side is below 24 pixels.
    """
    if min(grey.shape) < 3 * _BLOCK:
        return math.nan
    return (_excess(grey) + _excess(grey.T)) / 2


def _excess(grey: np.ndarray) -> float:
    """Returns by what share the strongest of the eight phases of columns exceeds the others' mean.

    In bands of rows, since the differences take many times the image's memory.
    """
    profile = np.zeros(grey.shape[1] - 3)
    for first in range(0, len(grey), _BAND):
        steps = np.diff(grey[first : first + _BAND].astype(np.float32), n=3, axis=1)
        profile += np.minimum(np.abs(steps), _STEEPEST).sum(axis=0, dtype=np.float64)
    profile /= len(grey)
    phases = np.array([profile[phase::_BLOCK].mean() for phase in range(_BLOCK)])
    top = phases.argmax()
    others = np.delete(phases, top).mean()
    return float(phases[top] / others - 1) if others > 0 else 0.0


def _lowest_frequencies() -> tuple[np.ndarray, np.ndarray]:
    """Returns rows and columns of the 64 DCT coefficients nearest to the mean, without it."""
    row, column = np.indices((_HASH_SIDE, _HASH_SIDE)).reshape(2, -1)
    order = np.lexsort((column, row, row**2 + column**2))[1:65]
    return row[order], column[order]


_LOWEST = _lowest_frequencies()
