"""Turns a file into a record of the store: raw pixels where that loses nothing, else its bytes."""

import io
import sys
import zlib

import numpy as np

from jaxdet.config.data import Data
from jaxdet.data.ops import decode_bgr
from jaxdet.data.ops.opening import open_image, size_by_header, stored_size
from jaxdet.data.regular import reason
from jaxdet.data.store.layout import RECORD

# Containers that keep pixels as they are; the pixels of others follow from a decoder.
_LOSSLESS = ("PNG", "BMP", "PPM")
# Larger images stay as files: raw they would take many times the disk space.
_MOST_RAW_PIXELS = 2**20


def encode(content: bytes, raw_size: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray, str]:
    """Returns a record without its place, the bytes u8 to store, and why no run can read them."""
    stored = np.frombuffer(content, np.uint8)
    record = np.zeros((), RECORD)
    header = header_of(content)
    pixels, fault = _pixels(content)
    record["width"], record["height"] = size_by_header(io.BytesIO(content)) or (0, 0)
    as_raw = header is not None and header[1] == raw_size and may_be_raw(*header)
    if pixels is not None and as_raw:
        stored, record["raw"] = pixels.reshape(-1), 1
    record["size"], record["crc"] = stored.size, zlib.crc32(stored.data)
    return record, stored, fault


def header_of(content: bytes) -> tuple[str, tuple[int, int]] | None:
    """Returns an image's format with its mode, and its size; None for what is no image."""
    try:
        with open_image(content, max_pixels=sys.maxsize) as image:
            return f"{image.format} {image.mode}", stored_size(image)
    except ValueError:
        return None


def may_be_raw(kind: str, size: tuple[int, int]) -> bool:
    """Returns whether the pixels alone may be kept: nothing is lost, and they are few enough."""
    lossless = kind in [f"{container} RGB" for container in _LOSSLESS]
    return lossless and size[0] * size[1] <= _MOST_RAW_PIXELS


def _pixels(content: bytes) -> tuple[np.ndarray | None, str]:
    """Returns u8 [H, W, 3] in BGR; or None, and why no run can read them by default."""
    try:
        return decode_bgr(content, max_pixels=Data.max_pixels), ""
    except ValueError as error:
        return None, reason(error)
