"""The images that a program gives to a detector."""

import io
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
from PIL import Image

from jaxdet.data.ops.arguments import check_pixels
from jaxdet.data.ops.codec import to_rgb
from jaxdet.data.regular import reason
from jaxdet.errors import BadArgumentError

# u8 [B, H, W, 3], several images of any sizes, or one: arrays u8 [H, W, 3] or Pillow's images.
Images = np.ndarray | Image.Image | Sequence[np.ndarray | Image.Image]

# What can be iterated over and is no list of images.
_SINGLE = str | bytes | bytearray | memoryview | Mapping | io.IOBase


def check_images(images: Images) -> list[np.ndarray]:
    """Returns the pixels u8 [H, W, 3] of each image; one alone counts as a list of one.

    Raises:
      BadArgumentError: saying what may be given.
    """
    lists = isinstance(images, Iterable) and not isinstance(images, _SINGLE)
    if not lists or getattr(images, "ndim", 4) != 4:
        return [_pixels(images)]
    return [_pixels(image) for image in cast(Iterable[Any], images)]


def _pixels(image: Any) -> np.ndarray:
    if isinstance(image, Image.Image):
        return _read(image)
    if isinstance(image, bytes | bytearray | memoryview | io.IOBase):
        raise BadArgumentError(
            f"{type(image).__name__} given; open it first: PIL.Image.open(io.BytesIO(content))"
        )
    if isinstance(image, str | os.PathLike):
        raise BadArgumentError(
            f"{str(image)[:80]}: give pixels, as PIL.Image.open(PATH) or an array has them"
        )
    return check_pixels(image)


def _read(image: Image.Image) -> np.ndarray:
    """Returns the pixels of one of Pillow's images, which perhaps has not read its file yet."""
    try:
        return check_pixels(to_rgb(image))
    except BadArgumentError:
        raise
    except Exception as error:  # damaged files make Pillow's readers raise nearly anything
        name = os.fsdecode(getattr(image, "filename", "")) or "an image"
        raise BadArgumentError(f"{name}: cannot be read: {reason(error)}") from None
