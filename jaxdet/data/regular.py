"""Files and folders that may be anything: read without waiting, bounded, errors with their place.

A name that ends in `.png` may be that of a pipe, a device, a link to nowhere, a file of terabytes.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from jaxdet.data.ops.sides import LimitError
from jaxdet.errors import UserError
from jaxdet.workdir.files import open_regular, sha256

# Bytes that no uncompressed pixel exceeds (four channels of 32 bits), and space for metadata, in
# which some generators keep whole workflows and other pictures.
_PIXEL_BYTES = 16
_METADATA_BYTES = 2**28


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
