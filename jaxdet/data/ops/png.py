"""The commonest file here, an 8-bit RGB PNG, decoded by OpenCV: a quarter faster than by Pillow."""

import struct
import zlib

import numpy as np

from jaxdet.data.opencv import cv2
from jaxdet.data.ops.sides import RefusedSizeError, check_sides

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Chunks that say nothing about pixels. With any other (transparency, gamma, animation, EXIF) the
# two decoders might part, so Pillow has the word.
_PLAIN = frozenset({b"IHDR", b"IDAT", b"IEND", b"tEXt", b"zTXt", b"iTXt", b"pHYs", b"tIME"})
_EIGHT_BITS, _RGB = 8, 2
# OpenCV refuses longer sides and more pixels, whatever its caller allows.
_LONGEST, _MOST = 2**20, 2**30


def decode_plain_png(content: bytes, *, max_pixels: int) -> np.ndarray | None:
    """The pixels u8 [H, W, 3] in BGR, those of Pillow; None for any file that is not plain.

    OpenCV may decode damaged files in part, so every chunk's checksum is compared before.

    Args:
      content: a whole file.
      max_pixels: None for files with more.
    """
    size = _plain_size(content)
    if size is None or not _is_allowed(*size, max_pixels=max_pixels):
        return None
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    return decoded if decoded is not None and decoded.shape == (*size, 3) else None


def _is_allowed(height: int, width: int, *, max_pixels: int) -> bool:
    """Whether the image may be decoded, by the rule for all and by OpenCV's own."""
    try:
        check_sides(width, height, max_pixels=min(max_pixels, _MOST))
    except RefusedSizeError:
        return False
    return max(height, width) <= _LONGEST


def _plain_size(content: bytes) -> tuple[int, int] | None:
    """Height and width of a sound 8-bit RGB PNG of plain chunks, else None."""
    if content[:8] != _SIGNATURE or content[12:16] != b"IHDR" or len(content) < 33:
        return None
    width, height, depth, colour = struct.unpack(">IIBB", content[16:26])
    if (depth, colour) != (_EIGHT_BITS, _RGB) or not _is_sound(memoryview(content)):
        return None
    return height, width


def _is_sound(content: memoryview) -> bool:
    """Whether the file is a row of plain chunks with right checksums that ends with IEND."""
    place = 8
    while place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        kind, end = bytes(content[place + 4 : place + 8]), place + 8 + length
        if kind not in _PLAIN or end + 4 > len(content):
            return False
        (checksum,) = struct.unpack_from(">I", content, end)
        if zlib.crc32(content[place + 4 : end]) != checksum:
            return False
        if kind == b"IEND":
            return end + 4 == len(content)
        place = end + 4
    return False
