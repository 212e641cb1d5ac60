"""Opens image files by Pillow: formats of a closed list, sizes checked before decoding."""

import contextlib
import io
import math
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

from PIL import Image, JpegImagePlugin, TiffImagePlugin

from jaxdet.data.formats import FORMATS
from jaxdet.data.jxl import is_jxl, jxl_size
from jaxdet.data.ops.png import png_size, without_texts
from jaxdet.data.ops.quiet import hush_pillow
from jaxdet.data.ops.sides import RefusedError, RefusedSizeError, check_sides, turn_for
from jaxdet.data.plugins import missing_package_of, plugin_formats

# What Pillow would decode of any format; libjxl has no limit of its own.
_MOST_JXL_PIXELS = 2**28
# Bytes within which the size of a JPEG XL image is looked for, behind its metadata.
_JXL_HEAD = 2**20
# Tags of TIFF. Bit 0 of the first, and 2 in the older second, mark a reduced copy of a picture.
_WIDTH, _HEIGHT = 256, 257
_NEW_SUBFILE_TYPE, _SUBFILE_TYPE = 254, 255
_LONGEST = 2**31 - 1  # of any format's sides, pixels
# More than a byte can hold of a packing that has an end, also where all pixels are equal. What
# states more takes memory for pixels that never come, or fills them in one by one. Of the formats
# that are left out a few bytes may be an empty picture of any size; TIFF has such packings, too,
# which nobody uses for photographs.
_PIXELS_A_BYTE = {
    "PNG": 8300, "GIF": 4096, "TIFF": 2048, "PCX": 1024, "PSD": 1024, "SUN": 1024, "BMP": 128,
    "DDS": 128, "DIB": 128, "PPM": 128, "QOI": 128, "SGI": 128, "TGA": 128,
}  # fmt: skip
# Of a JPEG and its thumbnail. A scan of few bytes costs as much as all pixels: with more than the
# usual scans, ten and a few, the pixels of all of them are bounded.
_USUAL_SCANS, _MOST_SCANS, _MOST_SCANNED = 30, 200, 2**29
_SMALL_PIXELS = 2**20  # of images to which this does not matter
_MOST_PREVIEWS = 64  # before the photograph of a TIFF


@contextlib.contextmanager
def open_image(content: bytes, *, max_pixels: int) -> Iterator[Image.Image]:
    """Opens an image without decoding it; what Pillow raises in the body is a ValueError after.

    Texts and colour profiles of PNGs are skipped, of whatever size: they are named in the image's
    `text` and `info`, but empty.

    Args:
      content: a whole file in one of `FORMATS`, or of a plug-in that is installed.
      max_pixels: files with more pixels are refused.

    Raises:
      ValueError: where the file is no image, is damaged, or is too large.
    """
    try:
        if is_jxl(content):  # decoded as it is opened
            check_sides(*jxl_size(content), max_pixels=min(max_pixels, _MOST_JXL_PIXELS))
        with _open(io.BytesIO(without_texts(content))) as image:
            check_sides(image.width, image.height, max_pixels=max_pixels)
            _check_scans(content, image.width * image.height)
            _check_density(image, len(content))
            with turn_for(image.width * image.height):
                yield image
    except RefusedError:
        raise
    except Image.DecompressionBombError as error:
        raise ValueError(f"pixels are more than Pillow decodes: {error}") from None
    except Exception as error:  # damaged files make Pillow's readers raise nearly anything
        text = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"damaged image: {text}") from None


def _check_scans(content: bytes, pixels: int) -> None:
    """Raises RefusedError for a JPEG of so many scans that decoding it has no end."""
    scans = content.count(b"\xff\xda") if content[:2] == b"\xff\xd8" else 0
    if scans > _MOST_SCANS or (scans > _USUAL_SCANS and scans * pixels > _MOST_SCANNED):
        raise RefusedError(f"a JPEG of {scans} scans: each is decoded in full")


def _check_density(image: Image.Image, size: int) -> None:
    """Raises RefusedSizeError where a file of so many bytes cannot hold the pixels it states."""
    most = _SMALL_PIXELS + _PIXELS_A_BYTE.get(image.format or "", math.inf) * size
    if image.width * image.height > most:
        raise RefusedSizeError(
            f"{image.width}x{image.height} pixels in {size} bytes: cut short, or empty by design"
        )


def size_by_header(file: BinaryIO) -> tuple[int, int] | None:
    """Returns width and height, pixels, as an image file's header has them; None for no image."""
    try:
        size = png_size(head := file.read(24))
        if size is None and is_jxl(head):
            size = jxl_size(head + file.read(_JXL_HEAD))
        if size is None:
            with _open(file) as image:
                size = stored_size(image)
    except Exception:  # as in open_image
        return None
    return size if min(size) > 0 and max(size) <= _LONGEST else None


def stored_size(image: Image.Image) -> tuple[int, int]:
    """Returns width and height of the pixels as they are stored, also of a TIFF that is turned."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return image.tag_v2[_WIDTH], image.tag_v2[_HEIGHT]
    return image.size


def _open(file: BinaryIO) -> Image.Image:
    """Does what Image.open does, but for its warnings, and its limit that suits no phone."""
    Image.init()
    hush_pillow()
    file.seek(0)
    prefix, fault = file.read(16), ""
    for name in _formats():
        factory, accept = Image.OPEN[name]
        try:
            accepted = accept is None or accept(prefix)
            if isinstance(accepted, str):  # of a format that this Pillow was built without
                fault = accepted
            elif accepted:
                file.seek(0)
                return _first_picture(_reader(name, factory)(file, ""), prefix)
        except (SyntaxError, IndexError, TypeError, struct.error) as error:
            fault = f"{name}: {' '.join(str(error).split())}" if accept and prefix else fault
    if missing := missing_package_of(prefix):
        raise RefusedError(missing)
    if fault:
        raise RefusedError(f"not an image that can be read: {fault}")
    raise RefusedError("not an image, or of a format that is not read")


def _reader(name: str, registered: Callable[..., Image.Image]) -> Callable[..., Image.Image]:
    """Returns Pillow's own reader of a format, or that of a plug-in for a format of its own.

    Raises:
      RefusedError: where another package, whose reader may do anything, took Pillow's place.
    """
    if name in FORMATS and not registered.__module__.startswith("PIL."):
        raise RefusedError(f"{name} is read by the package {registered.__module__}, not by Pillow")
    return _FACTORIES.get(name, registered)


def _formats() -> tuple[str, ...]:
    """Returns Pillow's names of what is tried, formats without a signature last."""
    *known, without_signature = FORMATS
    return (*known, *plugin_formats(), without_signature)


# What Pillow would take for a row of pictures by its metadata is the JPEG that it begins with.
_FACTORIES = {"JPEG": JpegImagePlugin.JpegImageFile}


def _first_picture(image: Image.Image, prefix: bytes) -> Image.Image:
    """Goes to the first picture of a TIFF that is no reduced copy of another.

    Raises:
      RefusedError: where there is none, as in cameras' raw files.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return image
    if prefix[8:10] == b"CR":
        raise RefusedError("a camera's raw file; what can be read of it is a preview")
    for number in range(_MOST_PREVIEWS):
        if not (image.tag_v2.get(_NEW_SUBFILE_TYPE, 0) & 1 or image.tag_v2.get(_SUBFILE_TYPE) == 2):
            return image
        try:
            image.seek(number + 1)
        except EOFError:
            break
    raise RefusedError("a TIFF of previews alone, as cameras' raw files are")
