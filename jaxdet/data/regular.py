"""Files and folders that may be anything: read without waiting, bounded, errors with their place.

A name that ends in `.png` may be that of a pipe, a device, a link to nowhere, a file of terabytes.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from jaxdet.errors import UserError
from jaxdet.files import open_regular

# Bytes that no uncompressed pixel exceeds (four channels of 32 bits), and room for metadata.
_PIXEL_BYTES = 16
_METADATA_BYTES = 2**24


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
