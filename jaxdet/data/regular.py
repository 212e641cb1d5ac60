"""Files and folders that may be anything: read without waiting, bounded, errors with their place.

A name that ends in `.png` may be that of a pipe, a device, a link to nowhere, a file of terabytes.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from jaxdet.errors import UserError

# Bytes that no uncompressed pixel exceeds (four channels of 32 bits), and room for metadata.
_PIXEL_BYTES = 16
_METADATA_BYTES = 2**24


def open_regular(path: Path) -> BinaryIO:
    """A file opened for reading.

    Raises:
      OSError: where it cannot be opened.
      ValueError: where it is a folder, a pipe, a device or a socket.
    """
    # Before it is opened: that alone can rewind a tape. Not to wait is for a file that becomes a
    # pipe in between.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("is no regular file")
    return open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def read_image_file(path: Path, *, max_pixels: int) -> bytes:
    """The content of an image file, 16 bytes a pixel and 16 MiB at most.

    Raises:
      OSError: where it cannot be opened.
      ValueError: where it is no regular file, or larger than an image of `max_pixels` can be.
    """
    most = _PIXEL_BYTES * max_pixels + _METADATA_BYTES
    with open_regular(path) as file:
        content = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)
    if len(content) > most:
        raise ValueError(
            f"more than {most} bytes, which no image of data.max_pixels={max_pixels} takes"
        )
    return content


def reason(error: Exception) -> str:
    """What an error says, in one line and without the path, which messages name already."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(text.split()) or type(error).__name__


@contextlib.contextmanager
def listing(folder: Path) -> Iterator[None]:
    """Around a look into folders: one that may not be read ends in a line that names it."""
    try:
        yield
    except OSError as error:
        place = folder if error.filename is None else error.filename
        raise UserError(f"{os.fspath(place)}: cannot be read: {reason(error)}") from None
