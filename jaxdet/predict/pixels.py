"""Reads images that a program gives to a detector: arrays, Pillow's images, files and folders."""

import contextlib
import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

import numpy as np
from PIL import Image

from jaxdet.config import Data
from jaxdet.data.ops.arguments import check_pixels
from jaxdet.data.ops.codec import to_rgb
from jaxdet.data.ops.sides import RefusedSizeError
from jaxdet.data.regular import reason
from jaxdet.errors import BadArgumentError, BadImageError, UserError
from jaxdet.predict.files import Encoded, Opened, find_images, read_ahead
from jaxdet.progress import say

# u8 [H, W, 3], one of Pillow's images, or the path of an image file or of a folder of them.
Given = np.ndarray | Image.Image | str | os.PathLike[str]
# One of them, u8 [B, H, W, 3], or several, of any sizes.
Images = Given | Iterable[Given]
# What becomes of an image that cannot be read: the call's error, or NaN and a line on stderr.
Broken = Literal["raise", "nan"]

# What can be iterated over and is no list of images.
_SINGLE = str | bytes | bytearray | memoryview | Mapping | io.IOBase

# A program has no option by which images may have more pixels.
_LIMIT = "the limit"

Result = TypeVar("Result")


def list_images(*paths: str | os.PathLike[str]) -> list[Path]:
    """Returns the image files of paths in the order in which a detector takes them.

    Args:
      paths: files, in the order given, and folders, each walked in sorted order; hidden files and
        folders aside.

    Raises:
      BadArgumentError: where one is no path.
      UserError: where one does not exist, or a folder holds no images or may not be read.
    """
    for path in paths:
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise BadArgumentError(f"{path!r:.40}: give the path of an image or a folder")
    return find_images([Path(path) for path in paths])[0]


def each_image(
    images: Images, work: Callable[[int, np.ndarray], Result], *, broken: Broken
) -> Iterator[Result | None]:
    """Yields what comes of each image, in order; files are read ahead, within a bound.

    Args:
      images: of a sequence all are looked at before the first is read; of any other iterable each
        is taken when it is needed. One without a file's name is told by its number, from 0.
      work: is given the number of an image, from 0, and its pixels, u8 [H, W, 3], RGB.
      broken: "nan": None stands for an image that cannot be read, and a line on stderr says why.

    Raises:
      BadArgumentError: saying what may be given; where one of Pillow's images cannot be read.
      BadImageError: naming a file that cannot be read.
      UserError: where a path does not exist, or a folder holds no images.
    """
    if broken not in get_args(Broken):
        raise BadArgumentError(f"broken={broken!r:.40}: {' or '.join(get_args(Broken))}")
    given = _expand(images)
    if isinstance(images, Sequence):
        given = iter(list(given))
    names: deque[str] = deque()
    encoded = (_encoded(one, number, names) for number, one in enumerate(given))
    with contextlib.closing(read_ahead(encoded, max_pixels=Data.max_pixels)) as opened:
        for number, image in enumerate(opened):
            name = names.popleft()
            result = image if isinstance(image, Exception) else _attempt(work, number, image)
            if isinstance(result, Exception):
                _refuse(name, result, broken=broken)
            yield None if isinstance(result, Exception) else result


def _attempt(
    work: Callable[[int, np.ndarray], Result], number: int, image: Opened
) -> Result | Exception:
    try:
        return work(number, image.pixels)
    except RefusedSizeError as error:
        return error


def _refuse(name: str, error: Exception, *, broken: Broken) -> None:
    """Raises the error of a broken image, or logs it."""
    if not isinstance(error, UserError):
        error = BadImageError(f"{name}: cannot be read: {reason(error, option=_LIMIT)}")
    if broken == "raise":
        raise error from None
    say(str(error))


def _expand(images: Images) -> Iterator[np.ndarray | Image.Image | Path]:
    """Yields each image by itself, unread; folders become their files.

    An array or a frame's column with one dimension is a list of paths, one with four of images.
    """
    lists = isinstance(images, Iterable) and not isinstance(images, _SINGLE)
    if not lists or getattr(images, "ndim", 4) not in (1, 4):
        yield from _one(images)
        return
    for image in cast(Iterable[Any], images):
        yield from _one(image)


def _one(image: Any) -> Iterator[np.ndarray | Image.Image | Path]:
    if isinstance(image, str | os.PathLike):
        yield from list_images(image)
    elif isinstance(image, bytes | bytearray | memoryview | io.IOBase):
        raise BadArgumentError(
            f"{type(image).__name__} given; open it first: PIL.Image.open(io.BytesIO(content))"
        )
    else:
        yield image if isinstance(image, Image.Image) else check_pixels(image)


def _encoded(image: np.ndarray | Image.Image | Path, number: int, names: deque[str]) -> Encoded:
    """Returns what `read_ahead` takes, once the image's name for messages is noted."""
    names.append(str(image) if isinstance(image, Path) else f"image {number}")
    if not isinstance(image, Image.Image):
        return image
    names[-1] = os.fsdecode(getattr(image, "filename", "")) or names[-1]
    try:
        return check_pixels(to_rgb(image))
    except Exception as error:  # damaged files make Pillow's readers raise nearly anything
        return BadArgumentError(f"{names[-1]}: cannot be read: {reason(error, option=_LIMIT)}")
