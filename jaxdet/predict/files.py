"""Image files named on the command line: found in order, decoded ahead."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from jaxdet.data.ops import decode
from jaxdet.data.regular import listing, read_image_file
from jaxdet.errors import UserError

# Decoded images that may wait: few, since one can have tens of megapixels.
_AHEAD = 2


def find_images(paths: Sequence[Path]) -> list[Path]:
    """The files in the order given; folders walked in sorted order, by the names of image files.

    Raises:
      UserError: where a path does not exist, or a folder holds no images or may not be read.
    """
    found: list[Path] = []
    for path in paths:
        with listing(path):
            found += _found(path)
    return found


def _found(path: Path) -> list[Path]:
    if not path.is_dir():
        # A link to nowhere is there, and gets its row.
        if not os.path.lexists(path):
            raise UserError(f"{path}: no such file or folder")
        return [path]
    inside = list(_walk(path))
    if not inside:
        raise UserError(f"{path}: holds no image files")
    return inside


def _walk(folder: Path) -> Iterator[Path]:
    suffixes = Image.registered_extensions()
    for parent, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        for name in sorted(names):
            if os.path.splitext(name)[1].lower() in suffixes and not name.startswith("."):
                yield Path(parent) / name


def _raise(error: OSError) -> None:
    raise error


def read_ahead(
    paths: Sequence[Path], *, max_pixels: int
) -> Iterator[tuple[int, np.ndarray | Exception]]:
    """Each file's number with its pixels u8 [H, W, 3], or with why it cannot be read."""
    waiting: deque[tuple[int, Future[np.ndarray]]] = deque()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, path in enumerate(paths):
            waiting.append((number, pool.submit(_read, path, max_pixels)))
            if len(waiting) > _AHEAD:
                yield _result(*waiting.popleft())
        while waiting:
            yield _result(*waiting.popleft())


def _read(path: Path, max_pixels: int) -> np.ndarray:
    return decode(read_image_file(path, max_pixels=max_pixels), max_pixels=max_pixels)


def _result(number: int, future: Future[np.ndarray]) -> tuple[int, np.ndarray | Exception]:
    try:
        return number, future.result()
    except (OSError, ValueError) as error:
        return number, error
