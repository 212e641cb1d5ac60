"""Bytes to pixels, and through JPEG and back."""

import contextlib
import functools
import io
from collections.abc import Iterator
from types import MappingProxyType
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from jaxdet.data.jxl import is_jxl, jxl_size
from jaxdet.data.ops.png import decode_plain_png
from jaxdet.data.ops.sides import RefusedSizeError, check_sides
from jaxdet.data.plugins import missing_package_of, plugin_formats

# Read by programs that Pillow would start: PostScript is code, and Ghostscript runs it.
_PROGRAMS = frozenset({"EPS"})
# What Pillow decodes of any format; libjxl has no bound of its own.
_MOST_JXL_PIXELS = 2 * 89_478_485
# Bytes in which the size of a JPEG XL image stands, behind its metadata.
_HEAD = 2**20
# Rows of 16-bit images that are scaled at a time: the arithmetic takes eight bytes a pixel.
_ROWS = 256


def decode(content: bytes, *, max_pixels: int) -> np.ndarray:
    """The pixels of an image file, by Pillow's conversion to RGB as the published loaders do.

    Palettes and grey become RGB, an alpha channel is dropped, EXIF rotation is ignored, of an
    animation the first frame counts. 16-bit grey is scaled to 8 bits: Pillow alone would cut it
    off at 255.

    Args:
      content: a whole file in any format Pillow reads.
      max_pixels: files with more pixels are refused before they are decoded.

    Returns:
      u8 [H, W, 3].

    Raises:
      ValueError: where the file is no image, is damaged, or is too large.
    """
    with open_image(content, max_pixels=max_pixels) as image:
        return to_rgb(image)


def decode_bgr(content: bytes, *, max_pixels: int) -> np.ndarray:
    """The pixels of `decode` in OpenCV's order, and quicker for the commonest PNG."""
    pixels = decode_plain_png(content, max_pixels=max_pixels)
    return swap_channels(decode(content, max_pixels=max_pixels)) if pixels is None else pixels


@contextlib.contextmanager
def open_image(content: bytes, *, max_pixels: int) -> Iterator[Image.Image]:
    """The image of a file, not yet decoded; what Pillow raises in the body is a ValueError after.

    Args:
      content: a whole file in any format that Pillow reads by itself: not EPS, for which it would
        start Ghostscript.
      max_pixels: files with more pixels are refused.

    Raises:
      ValueError: where the file is no image, is damaged, or is too large.
    """
    try:
        if is_jxl(content):  # decoded as it is opened
            check_sides(*jxl_size(content), max_pixels=min(max_pixels, _MOST_JXL_PIXELS))
        with Image.open(io.BytesIO(content), formats=_formats()) as image:
            check_sides(image.width, image.height, max_pixels=max_pixels)
            yield image
    except RefusedSizeError:
        raise
    except UnidentifiedImageError:
        raise ValueError(
            missing_package_of(content) or "not an image that Pillow can read"
        ) from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"pixels are more than Pillow decodes: {error}") from None
    except Exception as error:  # damaged files make Pillow's readers raise nearly anything
        text = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"damaged image: {text}") from None


def size_by_header(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height by an image file's header, pixels; None where it cannot be read."""
    try:
        head = file.read(_HEAD)
        if is_jxl(head):
            return jxl_size(head)
        file.seek(0)
        with Image.open(file, formats=_formats()) as image:
            return image.size
    except Exception:  # as in open_image
        return None


@functools.cache
def _formats() -> tuple[str, ...]:
    """Pillow's names of what it reads by itself, in the order in which it tries them."""
    Image.init()
    plugin_formats()
    return tuple(name for name in Image.ID if name not in _PROGRAMS)


def to_rgb(image: Image.Image) -> np.ndarray:
    """The pixels, u8 [H, W, 3], as `decode` gives them."""
    return np.asarray(_to_eight_bits(image).convert("RGB"))


def _to_eight_bits(image: Image.Image) -> Image.Image:
    if not image.mode.startswith("I"):
        return image
    levels = np.asarray(image)
    scaled = np.empty(levels.shape, np.uint8)
    for top in range(0, len(levels), _ROWS):
        rows = levels[top : top + _ROWS].astype(np.float64)
        scaled[top : top + _ROWS] = np.clip(rows / 257 + 0.5, 0, 255)
    return Image.fromarray(scaled)


def jpeg(image: np.ndarray, *, quality: int, codec: str = "cv2", order: str = "rgb") -> np.ndarray:
    """The image compressed to JPEG in memory and decoded again, chroma at half resolution.

    Args:
      image: u8 [H, W, 3].
      quality: 1 to 100.
      codec: "cv2" (OpenCV) or "pil" (Pillow), each with its defaults, as CNNDetection has it.
        Both call libjpeg-turbo: the same release gives the same bits.
      order: "rgb" or "bgr", of the channels in and out.

    Returns:
      u8 [H, W, 3].

    Raises:
      ValueError: where the codec is unknown.
    """
    if codec not in _JPEG:
        raise ValueError(f"codec {codec!r} is neither 'cv2' nor 'pil'")
    through, native = _JPEG[codec]
    if order == native:
        return through(image, quality)
    return swap_channels(through(swap_channels(image), quality))


def swap_channels(image: np.ndarray) -> np.ndarray:
    """A copy u8 [H, W, 3] with red and blue exchanged."""
    swapped: np.ndarray = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return swapped


def _jpeg_opencv(image: np.ndarray, quality: int) -> np.ndarray:
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(content, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded a line above
    return decoded


def _jpeg_pillow(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="jpeg", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


# Codec: how to go through it, and the order of channels it takes and gives.
_JPEG = MappingProxyType({"cv2": (_jpeg_opencv, "bgr"), "pil": (_jpeg_pillow, "rgb")})
