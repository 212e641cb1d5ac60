"""Finds where the one packed stream of a 7z in store mode lies.

A 7z file (7zFormat.txt of the LZMA SDK) is a header of 32 bytes, the packed streams, and a
trailer that describes them. In store mode with one file in it, the packed stream is that file.
"""

import struct
import zlib
from collections.abc import Sequence

from jaxdet.fetch.views import DamagedError, JoinedFile, Part

_SIGNATURE = b"7z\xbc\xaf\x27\x1c"
_HEADER = 32
_LARGEST_TRAILER = 2**20  # one file's takes about a hundred bytes
_ZIP_MEMBER = b"PK\x03\x04"


def open_stored_zip(parts: Sequence[Part]) -> JoinedFile:
    """Opens the zip inside the volumes of a 7z as a file, without a copy of it.

    Raises:
      DamagedError: where the volumes are no such archive, or not all of it.
    """
    joined = JoinedFile(parts)
    length, trailer, crc = _start_header(joined.read(_HEADER))
    if _HEADER + length + trailer != joined.length:
        said = _HEADER + length + trailer
        raise DamagedError(
            f"the 7z archive says {said:,} bytes, its volumes hold {joined.length:,}",
            parts=range(len(parts)),
        )
    joined.seek(_HEADER + length)
    if trailer > _LARGEST_TRAILER or zlib.crc32(joined.read(trailer)) != crc:
        raise DamagedError("the 7z archive's trailer is damaged", parts=[len(parts) - 1])
    inner = JoinedFile(parts, start=_HEADER, length=length)
    if inner.read(len(_ZIP_MEMBER)) != _ZIP_MEMBER:
        raise DamagedError("the 7z archive does not hold a zip in store mode", parts=[0])
    return inner


def _start_header(header: bytes) -> tuple[int, int, int]:
    """Returns the length of the packed stream, and length and CRC-32 of the trailer behind it."""
    if len(header) < _HEADER or header[:6] != _SIGNATURE:
        raise DamagedError("the first volume is not the beginning of a 7z archive", parts=[0])
    if zlib.crc32(header[12:]) != struct.unpack_from("<I", header, 8)[0]:
        raise DamagedError("the 7z archive's header is damaged", parts=[0])
    length, trailer, crc = struct.unpack_from("<QQI", header, 12)
    return length, trailer, crc
