"""Reads and decodes every file once, in threads: a table of facts, and what is wrong with which."""

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any, TypeVar

import numpy as np

from jaxdet.data.header import LOSSLESS, container_of_name, read_header
from jaxdet.data.opencv import cv2
from jaxdet.data.ops.codec import to_rgb
from jaxdet.data.ops.opening import open_image
from jaxdet.data.regular import reason
from jaxdet.datasets.audit import pixels
from jaxdet.datasets.audit.places import Listing
from jaxdet.workdir.cores import usable_cores

Task = TypeVar("Task")
Result = TypeVar("Result")

# A table of columns: 720,000 images take 0.3 GB, where an object for each would take several.
# Words repeat, so that a column of them holds few distinct objects.
ROW = np.dtype([
    ("read", "?"), ("container", "O"), ("width", "i4"), ("height", "i4"), ("mode", "O"),
    ("depth", "i2"), ("quality", "f4"), ("sampling", "O"), ("scan", "O"), ("exif", "O"),
    ("icc", "O"), ("metadata", "O"), ("bytes", "i8"), ("blocking", "f4"), ("digest", "u8", 2),
    ("hash", "u8"), ("thumb", "u1", pixels.THUMB_SIDE**2),
])  # fmt: skip
# Files handed to the threads at a time, so that results wait in bounded memory.
_CHUNK = 1024
_MOST_THREADS = 16
# What limits the pixels of an image in `data audit`.
_OPTION = "--max-pixels"
# What Pillow says of a file that ends too early.
_CUT_SHORT = ("truncated", "Truncated", "unexpected end", "cut off")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """Describes a file that cannot be used, or whose name misleads.

    Attributes:
      path: below the data root.
      kind: "empty", "truncated", "unreadable", "too large", or "misnamed".
      text: what is wrong, for people.
    """

    path: str
    kind: str
    text: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scan:
    """Holds the facts about all files of a listing.

    Attributes:
      listing: the images.
      table: [N] of ROW, in the listing's order; rows whose `read` is False hold nothing else.
      broken: files that cannot be decoded.
      misnamed: files whose ending promises another container; they can be decoded.
    """

    listing: Listing
    table: np.ndarray
    broken: tuple[Fault, ...]
    misnamed: tuple[Fault, ...]


def scan(listing: Listing, *, max_pixels: int, advance: Callable[[], None]) -> Scan:
    """Reads and decodes every image once, also one that several sets share.

    Args:
      listing: the images.
      max_pixels: larger ones are not decoded.
      advance: called after each image.
    """
    table = np.zeros(len(listing), ROW)
    faults: list[Fault] = []

    def measure(index: int) -> tuple[int, tuple | Fault]:
        return index, _measured(listing, index, max_pixels=max_pixels)

    firsts = np.flatnonzero(~listing.again).tolist()
    for index, found in in_threads(measure, firsts):
        if isinstance(found, Fault):
            faults.append(found)
        else:
            table[index] = found
        advance()
    table = table[listing.first]
    misnamed = tuple(_misnamed(listing, table))
    return Scan(listing=listing, table=table, broken=tuple(faults), misnamed=misnamed)


def in_threads(work: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
    """Yields the results of `work` in the order of the tasks; few are in flight at any time."""
    with ThreadPoolExecutor(min(usable_cores(), _MOST_THREADS)) as pool:
        for start in range(0, len(tasks), _CHUNK):
            yield from pool.map(work, tasks[start : start + _CHUNK])


def _measured(listing: Listing, index: int, *, max_pixels: int) -> tuple | Fault:
    path = listing.ids[index]
    try:
        content = listing.content(index, max_pixels=max_pixels)
    except (OSError, ValueError) as error:
        return Fault(path=path, kind="unreadable", text=reason(error, option=_OPTION))
    if not content:
        return Fault(path=path, kind="empty", text="0 bytes")
    try:
        return _facts(content, max_pixels=max_pixels)
    except Exception as error:  # damaged files make Pillow's readers raise nearly anything
        text = reason(error, option=_OPTION)
        return Fault(path=path, kind=_kind(text), text=text)


def _facts(content: bytes, *, max_pixels: int) -> tuple:
    """Returns the row of the table for a file's content."""
    with open_image(content, max_pixels=max_pixels) as image:
        rgb = to_rgb(image)
        header = read_header(image, content)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    # A JPEG's own blocks say nothing about its past.
    blocking = pixels.blocking(grey) if header.container in LOSSLESS else np.nan
    facts = {
        **{field.name: getattr(header, field.name) for field in dataclasses.fields(header)},
        "read": True,
        "width": rgb.shape[1],
        "height": rgb.shape[0],
        "bytes": len(content),
        "blocking": blocking,
        "digest": np.frombuffer(pixels.pixel_digest(rgb), np.uint64),
        "hash": pixels.perceptual_hash(grey),
        "thumb": pixels.thumbnail(grey),
    }
    return tuple(_shared(facts[name]) for name in ROW.names or ())


def _shared(value: Any) -> Any:
    """Returns the value; of equal words always the same object.

    A table holds each word very often.
    """
    return sys.intern(value) if isinstance(value, str) else value


def _kind(text: str) -> str:
    if "pixels are more than" in text:
        return "too large"
    return "truncated" if any(word in text for word in _CUT_SHORT) else "unreadable"


def _misnamed(listing: Listing, table: np.ndarray) -> Iterator[Fault]:
    for index in np.flatnonzero(table["read"] & ~listing.again):
        path, found = listing.ids[index], table["container"][index]
        promised = container_of_name(PurePosixPath(path).suffix)
        if promised and promised != found:
            yield Fault(path=path, kind="misnamed", text=f"named {promised}, is {found}")
