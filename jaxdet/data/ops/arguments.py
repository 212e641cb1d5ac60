"""Checks what the public image operations are given: one line says what may be given instead."""

import numbers
from typing import Any

import numpy as np

from jaxdet.errors import BadArgumentError
from jaxdet.ranges import Range


def check_pixels(image: Any) -> np.ndarray:
    """Returns pixels u8 [H, W, 3] as an array.

    Raises:
      BadArgumentError: where it is none, or has no pixels.
    """
    try:
        pixels = np.asarray(image)
    except Exception:  # whatever a foreign object raises, or lists of unlike lengths
        pixels = np.array(None)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        given = (
            f"{pixels.dtype} {pixels.shape}"
            if pixels.dtype.kind in "biuf"
            else type(image).__name__
        )
        raise BadArgumentError(
            f"an image must be uint8 [H, W, 3] in RGB, 0..255, or one of Pillow's, not {given}"
        )
    return pixels


def check_number(name: str, value: Any, within: str, *, whole: bool = False) -> None:
    """Raises BadArgumentError unless a value is a number, or a whole one, of a range."""
    kind = numbers.Integral if whole else numbers.Real
    is_number = isinstance(value, kind) and not isinstance(value, bool)
    if not is_number or value not in Range.of(within):
        what = "a whole number" if whole else "a number"
        raise BadArgumentError(f"{name}={value!r:.40}: give {what}, {Range.of(within)}")
