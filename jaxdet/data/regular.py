"""Reads files and folders that may be anything, without waiting, within bounds, errors with places.

A name that ends in `.png` may be that of a pipe, a device, a link to nowhere, a file of terabytes.
"""

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from jaxdet.data.ops.sides import LimitError
from jaxdet.errors import UserError
from jaxdet.workdir.files import open_regular, sha256

# Bytes that no uncompressed pixel exceeds (four channels of 32 bits), and space for metadata, in
# which some generators keep whole workflows and other pictures.
_PIXEL_BYTES = 16
_METADATA_BYTES = 2**28
# Files that one of several threads looks up in a row.
_THREADS, _CHUNK = 16, 1000
# In place of the size of a file that is not there: -1 as an unsigned number.
_GONE = 2**64 - 1


def read_image_file(path: Path, *, max_pixels: int) -> bytes:
    """Returns the content of an image file, 16 bytes a pixel and 256 MiB at most.

    Raises:
      OSError: where it cannot be opened.
      ValueError: where it is no regular file, or larger than an image of `max_pixels` can be.
    """
    most = _PIXEL_BYTES * max_pixels + _METADATA_BYTES
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(size + 1) if size <= most else b""
    if max(size, len(content)) > most:
        raise LimitError("larger than any image within", max_pixels)
    return content


def reason(error: Exception, *, option: str = "data.max_pixels") -> str:
    """Returns what an error says, in one line and without the path, which messages name already.

    Args:
      error: of a file that cannot be read.
      option: of the command that reads it, which limits the pixels of an image.
    """
    if isinstance(error, LimitError):
        return error.naming(option)
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(text.split()) or type(error).__name__


def file_mark(path: str | Path, compare: str) -> str:
    """Returns what tells a file from another one that takes its name; "" where it cannot be read.

    Args:
      path: of the file.
      compare: "times", by its size and time of change, or "bytes", by its SHA-256.
    """
    try:
        if compare == "bytes":
            return sha256(Path(path))
        status = os.stat(path)
    except (OSError, ValueError):
        return ""
    return f"{status.st_size}:{status.st_mtime_ns}"


@dataclasses.dataclass(frozen=True)
class Stats:
    """Holds what a file system says of some files, each u64 [N]; of one that is gone the largest.

    Attributes:
      device: that a file lies on.
      inode: of the file there.
      size: bytes.
    """

    device: np.ndarray
    inode: np.ndarray
    size: np.ndarray

    @property
    def gone(self) -> np.ndarray:
        """Returns which files are not there, bool [N]."""
        return np.equal(self.size, _GONE)

    def marks(self) -> np.ndarray:
        """Returns u64 [N, 2], device and inode as one, and the size; 0 for a file that is gone."""
        links = np.where(self.inode > 0, self.inode ^ (self.device << np.uint64(48)), 0)
        return np.where(self.gone[:, None], 0, np.stack([links, self.size], axis=1))


def stats_of(paths: Sequence[str]) -> Stats:
    """Returns what the file system says of some files.

    Network file systems take a while for each; several at once take no longer.
    """
    chunks = [paths[i : i + _CHUNK] for i in range(0, len(paths), _CHUNK)]
    with ThreadPoolExecutor(_THREADS) as pool:
        stats = [one for chunk in pool.map(_stat, chunks) for one in chunk]
    return Stats(*np.array(stats, np.uint64).reshape(-1, 3).T)


def _stat(paths: Sequence[str]) -> list[tuple[int, int, int]]:
    return [_stat_one(path) for path in paths]


def _stat_one(path: str) -> tuple[int, int, int]:
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # a NUL in it
        return _GONE, _GONE, _GONE
    return status.st_dev, status.st_ino, status.st_size


@contextlib.contextmanager
def listing(folder: Path) -> Iterator[None]:
    """Turns an OSError in the body into a UserError of one line that names the folder.

    For a look into folders, which may not be readable.
    """
    try:
        yield
    except OSError as error:
        place = folder if error.filename is None else error.filename
        raise UserError(f"{os.fspath(place)}: cannot be read: {reason(error)}") from None
