"""Reads what a file states besides its pixels: container, compression, colour mode, metadata."""

import dataclasses
import functools
import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin

from jaxdet.data.formats import FORMAT_OF_SUFFIX
from jaxdet.data.plugins import plugin_format

# Containers whose pixels come back as they went in; TIFF nearly always.
LOSSLESS = frozenset({"PNG", "BMP", "DIB", "TIFF", "PPM", "GIF", "TGA", "PCX", "SGI"})
# What Pillow notes about the structure of a file. The rest is metadata.
_STRUCTURE = frozenset({
    "adobe", "adobe_transform", "background", "bbox", "compression", "duration", "exif",
    "extension", "icc_profile", "interlace", "jfif", "jfif_density", "jfif_unit", "jfif_version",
    "loop", "lossless", "mp", "mpoffset", "progression", "progressive", "timestamp",
    "transparency", "version",
})  # fmt: skip
_SAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
_DEPTH_OF_MODE = {"1": 1, "F": 32, "I": 32}
_PNG_DEPTH_AT = 24  # offset of the bit depth in a PNG: signature 8, chunk head 8, sides 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Header:
    """Holds the facts of one file that do not follow from its pixels.

    Attributes:
      container: Pillow's name of the format found in the content, such as "PNG".
      mode: Pillow's colour mode, such as "RGB".
      depth: bits a channel, as stored.
      quality: of the IJG encoder whose quantisation tables are nearest; NaN where not JPEG.
      sampling: of the chroma channels, such as "4:2:0"; "" where not JPEG.
      scan: "progressive", "interlaced" or "plain".
      exif: "yes" or "no".
      icc: "yes" or "no": a colour profile.
      metadata: kinds of all other metadata, joined; "none" where there is none.
    """

    container: str
    mode: str
    depth: int
    quality: float
    sampling: str
    scan: str
    exif: str
    icc: str
    metadata: str


def read_header(image: Image.Image, content: bytes) -> Header:
    """Returns the facts of an image that has been opened from `content` and loaded.

    It must be loaded, because metadata may stand behind the pixels.
    """
    container = image.format or "?"
    return Header(
        # Cameras write several pictures as MPO: a JPEG followed by others.
        container="JPEG" if container == "MPO" else container,
        mode=image.mode,
        depth=_depth(image, content),
        quality=quality(image),
        sampling=_sampling(image),
        scan=_scan(image.info),
        exif=_yes(image.info.get("exif")),
        icc=_yes(image.info.get("icc_profile")),
        metadata=_metadata(image),
    )


def container_of_name(suffix: str) -> str:
    """Returns the container that a name's ending (".jpg") promises; "" where unknown."""
    return FORMAT_OF_SUFFIX.get(suffix.lower()) or plugin_format(suffix)


def quality_of_table(table: list[int]) -> float:
    """Returns the quality, 1..100, of the IJG luminance table nearest to this one.

    Nearest is by mean absolute difference.

    Args:
      table: the 64 steps of the quantisation table of the first channel.
    """
    distance = np.abs(_ijg_tables() - np.asarray(table, np.float64)).mean(axis=1)
    return float(distance.argmin() + 1)


@functools.cache
def _ijg_tables() -> np.ndarray:
    """Returns the luminance table of each quality, asked of the encoder itself, f64 [100, 64]."""
    return np.array([_tables_of(quality)[0] for quality in range(1, 101)], np.float64)


def _tables_of(quality: int) -> Mapping[int, list[int]]:
    content = io.BytesIO()
    Image.new("L", (8, 8)).save(content, "JPEG", quality=quality)
    with Image.open(content, formats=("JPEG",)) as image:
        return _tables(image)


def _tables(image: Image.Image) -> Mapping[int, list[int]]:
    return getattr(image, "quantization", None) or {}


def quality(image: Image.Image) -> float:
    """Returns the JPEG quality of an opened image, 1..100; NaN where it is no JPEG."""
    tables = _tables(image)
    first = min(tables, default=None)
    return math.nan if first is None else quality_of_table(tables[first])


def _sampling(image: Image.Image) -> str:
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return ""
    if image.layers == 1:
        return "grey"
    return _SAMPLING.get(JpegImagePlugin.get_sampling(image), "other")


def _depth(image: Image.Image, content: bytes) -> int:
    if image.format == "PNG":
        return content[_PNG_DEPTH_AT]
    if image.mode.startswith("I;16"):
        return 16
    return _DEPTH_OF_MODE.get(image.mode, 8)


def _scan(info: Mapping[Any, Any]) -> str:
    if info.get("progressive"):
        return "progressive"
    return "interlaced" if info.get("interlace") else "plain"


def _metadata(image: Image.Image) -> str:
    # The keys of a PNG's text chunks are free: any number of kinds, and names of any sort.
    texts = set(getattr(image, "text", None) or {})
    kinds = {str(key) for key in image.info if key not in texts} - _STRUCTURE
    if image.info.get("jfif_unit") == 0 or "jfif" not in image.info:
        # Pillow makes a resolution up for a JPEG that has EXIF and names none.
        kinds -= {"dpi"} if _tables(image) else set()
    return "+".join(sorted(kinds | ({"text"} if texts else set()))) or "none"


def _yes(value: object) -> str:
    return "yes" if value else "no"
