"""Brings grey of more than 8 bits to 8, by the levels of black and white that a file states."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from jaxdet.data.ops.sides import RefusedError

# Tags of TIFF.
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT, _LEAST, _MOST = 258, 262, 339, 340, 341
_WHITE_IS_ZERO, _UNSIGNED = 0, 1
# Rows that are scaled at a time: the arithmetic takes eight bytes a pixel.
_ROWS = 256


def is_wide_grey(image: Image.Image) -> bool:
    """Returns whether an image has grey levels of more than 8 bits."""
    return image.mode == "F" or image.mode.startswith("I")


def grey_of(image: Image.Image) -> np.ndarray:
    """Returns the grey levels u8 [H, W] of an image for which `is_wide_grey` holds.

    Scaled from the range that the file states: 12 or 16 bits without a sign, or the least and
    greatest sample value of a TIFF. Where it states none, integers from 0 to 255 are taken as they
    are, as Pillow's conversion does, and floats from 0 to 1 as shares of white.

    Raises:
      RefusedError: where neither holds, or a level is infinite or no number.
    """
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    levels = np.asarray(image)
    if levels.dtype == np.int32 and _first(tags.get(_SAMPLE_FORMAT)) == _UNSIGNED:
        levels = levels.view(np.uint32)
    if not np.isfinite([levels.min(), levels.max()]).all():
        raise RefusedError("grey levels that are infinite or no numbers; save it with 8 or 16 bits")
    black, white = _stated(image, tags) or _seen(levels)
    scaled = np.empty(levels.shape, np.uint8)
    for top in range(0, len(levels), _ROWS):
        rows = np.clip(levels[top : top + _ROWS].astype(np.float64), black, white) - black
        scaled[top : top + _ROWS] = rows * (255 / (white - black)) + 0.5
    # As Pillow, which takes a TIFF that does not say for white-is-zero.
    inverted = bool(tags) and tags.get(_PHOTOMETRIC, _WHITE_IS_ZERO) == _WHITE_IS_ZERO
    return 255 - scaled if inverted else scaled


def _stated(image: Image.Image, tags: Mapping[int, Any]) -> tuple[float, float] | None:
    """Returns the levels of black and white that a file states."""
    if _MOST in tags:
        least, most = float(_first(tags.get(_LEAST, 0))), float(_first(tags[_MOST]))
        if least < most and 0 < 255 / (most - least) < math.inf:
            return least, most
    if image.mode.startswith("I;16"):
        return 0, 2 ** _first(tags.get(_BITS, 16)) - 1
    # Pillow brings whatever maximum it finds in a PGM to 16 bits.
    return (0, 65535) if image.format == "PPM" and image.mode == "I" else None


def _seen(levels: np.ndarray) -> tuple[float, float]:
    """Returns the levels of black and white by the values, where they leave no doubt."""
    least, most = levels.min(), levels.max()
    if levels.dtype.kind == "f" and least >= 0 and most <= 1:
        return 0, 1
    if least >= 0 and most <= 255 and (levels.dtype.kind != "f" or _are_whole(levels)):
        return 0, 255
    raise RefusedError(
        f"grey levels from {least:g} to {most:g}, and the file does not state which are black and "
        "white; save it with 8 or 16 bits"
    )


def _are_whole(levels: np.ndarray) -> bool:
    return bool((levels == np.rint(levels)).all())


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value
