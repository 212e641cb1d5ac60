"""Finds image files that the command line names, in order, and decodes them ahead."""

import contextlib
import dataclasses
import io
import math
import os
import re
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.data.aside import LeftAside
from jaxdet.data.formats import is_image_name
from jaxdet.data.header import quality
from jaxdet.data.names import is_hidden
from jaxdet.data.ops.codec import Exif, to_rgb
from jaxdet.data.ops.opening import open_image, size_by_header
from jaxdet.data.regular import listing, read_image_file
from jaxdet.data.table.cells import NOT_FETCHED
from jaxdet.data.table.kind import is_table_alone
from jaxdet.data.walk import walk
from jaxdet.errors import UserError
from jaxdet.predict.provenance import find_provenance
from jaxdet.scoring.ahead import AHEAD_PIXELS, PIXEL_BYTES, in_order
from jaxdet.streams import printable

# As a path, a URL has lost a slash.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/|data:")
_LONGEST = 200  # letters of one in a message
# By which the commands that score bound the pixels of an image: for `reason` to name.
LIMIT_OPTION = "--max-pixels"
# Bytes of the files that are read or wait to be decoded.
_AHEAD_BYTES = 2**28

# An image file, the content of one, its pixels u8 [H, W, 3], a URL of one, why there is none, or
# nothing in its place.
Encoded = Path | bytes | np.ndarray | str | Exception | None


@dataclasses.dataclass(frozen=True)
class Input:
    """Describes an image to be scored.

    Attributes:
      name: what its row calls it.
      image: its file, the content of one, or its pixels; a URL where a table has that, None or an
        error where it has none.
    """

    name: str
    image: Encoded


@dataclasses.dataclass(frozen=True, kw_only=True)
class Opened:
    """Holds the pixels of an image and what its file says besides them.

    Attributes:
      pixels: u8 [H, W, 3], RGB.
      side: the shorter one of the whole image, pixels.
      quality: of JPEG; NaN of other files.
      sharpness: of what is scored, variance of the Laplacian; NaN where nobody has measured it.
      provenance: sentences on its origin.
    """

    pixels: np.ndarray
    side: int
    quality: float = math.nan
    sharpness: float = math.nan
    provenance: list[str] = dataclasses.field(default_factory=list)


def find_images(paths: Sequence[Path]) -> tuple[list[Path], LeftAside]:
    """Returns the files in the order given, folders walked in sorted order, and what else is there.

    Raises:
      UserError: where a path does not exist, or a folder holds no images or may not be read.
    """
    return find_files(paths, is_wanted=is_image_name, what="image files")


def find_tables(paths: Sequence[Path], *, columns: str = "") -> list[Path]:
    """Returns the paths where they are tables; [] where they are images and folders of them.

    Raises:
      UserError: where some are tables and others are not, or columns are named of none.
    """
    tables = []
    for path in paths:
        with listing(path):
            tables += [path] if is_table_alone(path) else []
    other = next((path for path in paths if path not in tables), None)
    if tables and other is not None:
        raise UserError(f"{tables[0]}: a table, and {other} is none; score them one by one")
    if columns and other is not None:
        raise UserError(f"--columns: {other} is no table")
    return tables


def find_files(
    paths: Sequence[Path], *, is_wanted: Callable[[str], bool], what: str
) -> tuple[list[Path], LeftAside]:
    """Returns the wanted files below some paths, and counts of what else lies there; as above."""
    found: list[Path] = []
    aside = LeftAside()
    for path in paths:
        _refuse_url(path)
        with listing(path):
            if path.is_dir():
                inside, others = _look_into(path, is_wanted, what)
                found += inside
                aside.add(others, below=str(path))
            elif os.path.lexists(path):  # a link to nowhere is there, and gets its row
                found.append(path)
            else:
                raise UserError(f"{path}: no such file or folder")
    return found, aside


def _refuse_url(path: Path) -> None:
    """Raises UserError for a path that looks like a URL, unless there is such a file."""
    if (scheme := _URL.match(str(path))) and not os.path.lexists(path):
        url = scheme[0].replace(":/", "://") + str(path)[scheme.end() :]
        raise UserError(f"{printable(url[:_LONGEST])}: a URL, and nothing is fetched: download it")


def _look_into(
    folder: Path, is_wanted: Callable[[str], bool], what: str
) -> tuple[list[Path], LeftAside]:
    found: list[Path] = []
    aside = LeftAside()
    for visit in walk(folder):
        hidden = any(map(is_hidden, visit.path.split("/")))
        if visit.error is not None and not hidden:
            raise visit.error
        aside.note(visit, is_wanted=None if hidden else is_wanted)
        if not hidden:
            place = folder / visit.path
            found += [place / name for name in visit.names if is_wanted(name)]
    if not found:
        sentence = aside.sentence()
        raise UserError(f"{folder}: holds no {what}{'; ' * bool(sentence)}{sentence}")
    return found, aside


def read_ahead(
    images: Iterable[Encoded], *, max_pixels: int, exif: Exif = "ignore"
) -> Generator[Opened | Exception]:
    """Yields each image, or why it cannot be read.

    Args:
      images: taken one after the other, some ahead.
      max_pixels: images with more are not decoded.
      exif: as in `decode`.
    """
    limits = {"max_pixels": max_pixels}
    # Files are read by threads of their own: one waits for a disk or a network while another
    # decodes, and how much memory an image takes is known before it is decoded.
    contents = in_order(_or_error(_content, **limits), images, cost=_bytes, budget=_AHEAD_BYTES)
    decoded = _or_error(_opened, **limits, exif=exif)
    with contextlib.closing(contents):
        yield from in_order(decoded, contents, cost=_room, budget=AHEAD_PIXELS)


def read_image(image: Encoded, *, max_pixels: int, exif: Exif = "ignore") -> Opened:
    """Returns an image with what its file says.

    Raises:
      OSError: where its file cannot be opened.
      ValueError: where it is no image, is damaged or too large, or is missing from its table.
    """
    return _opened(_content(image, max_pixels=max_pixels), max_pixels=max_pixels, exif=exif)


def _or_error(work: Callable[..., Any], **options: Any) -> Callable[[Any], Any]:
    """Returns a function that returns what `work` raises of an image; errors pass through."""

    def attempt(image: Any) -> Any:
        if isinstance(image, Exception):
            return image
        try:
            return work(image, **options)
        except (OSError, ValueError) as error:
            return error

    return attempt


def _content(image: Encoded, *, max_pixels: int) -> bytes | np.ndarray:
    if image is None:
        raise ValueError("no image in this row of the table")
    if isinstance(image, Exception):
        raise image
    if isinstance(image, str):
        raise ValueError(NOT_FETCHED)
    if isinstance(image, bytes | np.ndarray):
        return image
    return read_image_file(image, max_pixels=max_pixels)


def _opened(content: bytes | np.ndarray, *, max_pixels: int, exif: Exif) -> Opened:
    if isinstance(content, np.ndarray):
        return Opened(pixels=content, side=min(content.shape[:2]))
    with open_image(content, max_pixels=max_pixels) as image:
        pixels = to_rgb(image, exif=exif)
        return Opened(
            pixels=pixels,
            side=min(pixels.shape[:2]),
            quality=quality(image),
            provenance=find_provenance(image, content),
        )


def _bytes(image: Encoded) -> int:
    """Returns what the content of an image takes; 0 where nothing can be read."""
    if isinstance(image, Path):
        try:
            return image.stat().st_size
        except (OSError, ValueError):  # a NUL in it
            return 0
    if isinstance(image, np.ndarray):
        return image.nbytes
    return len(image) if isinstance(image, bytes) else 0


def _room(content: bytes | np.ndarray | Exception) -> int:
    """Returns what an image takes of `AHEAD_PIXELS`: its pixels by its header, and its content.

    Three at least find room, so that the next are decoded while one is scored.
    """
    if isinstance(content, Exception):
        return 0
    if isinstance(content, np.ndarray):
        return min(content.size // 3, AHEAD_PIXELS // 3)
    width, height = size_by_header(io.BytesIO(content)) or (0, 0)
    return min(width * height + len(content) // PIXEL_BYTES, AHEAD_PIXELS // 3)
