"""Reads PNG files chunk by chunk: metadata left unread, and plain ones decoded by OpenCV.

OpenCV takes a quarter less time than Pillow for the commonest file here, an 8-bit RGB PNG.
"""

import itertools
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from jaxdet.data.opencv import cv2
from jaxdet.data.ops.sides import RefusedSizeError, check_sides, turn_for

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What OpenCV needs, and chunks that say nothing about pixels. With any other (transparency, gamma,
# animation, EXIF) the two decoders might part, so Pillow has the word.
_PIXELS = frozenset({b"IHDR", b"IDAT", b"IEND"})
_PLAIN = _PIXELS | {b"tEXt", b"zTXt", b"iTXt", b"pHYs", b"tIME"}
# Sizes of metadata chunks; Pillow refuses a whole file for one of another size.
_SIZES = {b"pHYs": 9, b"gAMA": 4, b"sRGB": 1, b"cHRM": 32}
# What follows the keyword of a chunk whose content is left out: the fields of an empty one.
_EMPTY = {
    b"tEXt": b"\0",
    b"zTXt": b"\0\0",
    b"iTXt": bytes(5),
    b"iCCP": b"\0\0" + zlib.compress(b"-"),
}
_KEYWORD = 79  # bytes at most
_EIGHT_BITS, _RGB = 8, 2
# OpenCV refuses longer sides and more pixels, whatever its caller allows.
_LONGEST, _MOST = 2**20, 2**30


def png_size(head: bytes) -> tuple[int, int] | None:
    """Returns width and height by the first 24 bytes of a PNG; None for any other file."""
    if head[:8] != _SIGNATURE or head[12:16] != b"IHDR" or len(head) < 24:
        return None
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def without_texts(content: bytes) -> bytes:
    """Returns a file's content; of a PNG with empty texts and colour profile.

    Generators' own front-ends write megabytes of them, which Pillow would take for bombs. Metadata
    chunks of a wrong size are left out.
    """
    if content[:8] != _SIGNATURE:
        return content
    view, kept = memoryview(content), 0
    pieces: list[memoryview | bytes] = []
    for kind, start, end in chunks_of(content):
        size = end - start - 12
        if kind in _EMPTY or size != _SIZES.get(kind, size):
            pieces += [view[kept:start], _emptied(kind, content[start + 8 : start + 8 + _KEYWORD])]
            kept = end
    return b"".join([*pieces, view[kept:]]) if pieces else content


def _emptied(kind: bytes, start: bytes) -> bytes:
    """Returns a chunk that has the keyword and nothing else, by the start of its data."""
    if kind not in _EMPTY:
        return b""
    body = kind + start.split(b"\0")[0] + _EMPTY[kind]
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def chunks_of(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields each whole chunk's kind, and where it starts and ends, up to IEND."""
    start, kind = 8, b""
    while start + 12 <= len(content) and kind != b"IEND":
        (length,) = struct.unpack_from(">I", content, start)
        kind, end = content[start + 4 : start + 8], start + 12 + length
        if end > len(content):
            return
        yield kind, start, end
        start = end


def decode_plain_png(content: bytes, *, max_pixels: int) -> np.ndarray | None:
    """Returns the pixels u8 [H, W, 3] in BGR, those of Pillow; None for a file that is not plain.

    OpenCV may decode damaged files in part, so every chunk's checksum is compared before.

    Args:
      content: a whole file.
      max_pixels: None for files with more.
    """
    size = png_size(content[:24])
    if size is None or content[24:26] != bytes([_EIGHT_BITS, _RGB]):
        return None
    pixels = _plain_pixels(content) if _is_allowed(*size, max_pixels=max_pixels) else None
    if pixels is None:
        return None
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    with turn_for(size[0] * size[1]):
        decoded = cv2.imdecode(np.frombuffer(pixels, np.uint8), flags)
    return decoded if decoded is not None and decoded.shape == (*size[::-1], 3) else None


def _is_allowed(width: int, height: int, *, max_pixels: int) -> bool:
    """Returns whether an image may be decoded, by the rule for all and by OpenCV's own."""
    try:
        check_sides(width, height, max_pixels=min(max_pixels, _MOST))
    except RefusedSizeError:
        return False
    return max(height, width) <= _LONGEST


def _plain_pixels(content: bytes) -> bytes | None:
    """Returns a PNG of the chunks of pixels alone; None unless all are plain and undamaged."""
    view, kinds, end = memoryview(content), [], 0
    pieces = [view[:8]]
    for kind, start, end in chunks_of(content):
        (checksum,) = struct.unpack_from(">I", content, end - 4)
        if kind not in _PLAIN or zlib.crc32(view[start + 4 : end - 4]) != checksum:
            return None
        kinds.append(kind)
        if kind in _PIXELS:
            pieces.append(view[start:end])
    # The data in one row of chunks, and nothing behind the end.
    rows = [kind for kind, _ in itertools.groupby(kinds) if kind in _PIXELS]
    whole = rows == [b"IHDR", b"IDAT", b"IEND"] and end == len(content)
    return b"".join(pieces) if whole else None
