"""One file as a record of the store: raw pixels where nothing is lost by it, else its bytes."""

import sys
import zlib

import numpy as np

from jaxdet.data.ops import decode_bgr, open_image
from jaxdet.data.store.layout import RECORD

# Containers that keep pixels as they are; the pixels of others follow from a decoder.
_LOSSLESS = ("PNG", "BMP", "PPM")
# Larger images stay as files: raw they would take many times the room.
_MOST_RAW_PIXELS = 2**20


def encode(content: bytes, raw_size: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray]:
    """A record without its place, and the bytes u8 to store."""
    stored = np.frombuffer(content, np.uint8)
    record = np.zeros((), RECORD)
    header = header_of(content)
    if header is not None:
        record["width"], record["height"] = header[1]
        raw = header[1] == raw_size and may_be_raw(*header)
        pixels = _pixels(content) if raw else None
        if pixels is not None:
            stored, record["raw"] = pixels.reshape(-1), 1
    record["size"], record["crc"] = stored.size, zlib.crc32(stored.data)
    return record, stored


def header_of(content: bytes) -> tuple[str, tuple[int, int]] | None:
    """Format with mode, and size, or None for what is no image."""
    try:
        with open_image(content, max_pixels=sys.maxsize) as image:
            return f"{image.format} {image.mode}", image.size
    except ValueError:
        return None


def may_be_raw(kind: str, size: tuple[int, int]) -> bool:
    """Whether nothing is lost by keeping the pixels alone."""
    lossless = kind in [f"{container} RGB" for container in _LOSSLESS]
    return lossless and size[0] * size[1] <= _MOST_RAW_PIXELS


def _pixels(content: bytes) -> np.ndarray | None:
    """u8 [H, W, 3] in BGR; None for a damaged file, which is kept as it is."""
    try:
        return decode_bgr(content, max_pixels=_MOST_RAW_PIXELS)
    except ValueError:
        return None
