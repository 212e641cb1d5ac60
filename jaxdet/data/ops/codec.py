"""Decodes bytes to pixels, and passes pixels through JPEG."""

import io
from types import MappingProxyType
from typing import Literal

import numpy as np
from PIL import Image, JpegImagePlugin, TiffImagePlugin

from jaxdet.data.opencv import cv2
from jaxdet.data.ops.arguments import check_number, check_pixels
from jaxdet.data.ops.grey import grey_of, is_wide_grey
from jaxdet.data.ops.opening import open_image
from jaxdet.data.ops.png import decode_plain_png
from jaxdet.data.ops.sides import RefusedSizeError
from jaxdet.data.plugins import plugin_formats
from jaxdet.errors import BadArgumentError

# Whether pixels are read as they are stored, or turned as EXIF says.
Exif = Literal["ignore", "apply"]
_ORIENTATION = 0x0112  # EXIF's tag
_LONGEST_JPEG = 65_500  # of its sides, pixels; libjpeg's limit
_Turn = Image.Transpose
_TURNS = {
    2: _Turn.FLIP_LEFT_RIGHT,
    3: _Turn.ROTATE_180,
    4: _Turn.FLIP_TOP_BOTTOM,
    5: _Turn.TRANSPOSE,
    6: _Turn.ROTATE_270,
    7: _Turn.TRANSVERSE,
    8: _Turn.ROTATE_90,
}
_BACK = {**_TURNS, 6: _Turn.ROTATE_90, 8: _Turn.ROTATE_270}


def decode(
    content: bytes, *, max_pixels: int, exif: Exif = "ignore", least_side: int = 0
) -> np.ndarray:
    """Returns the pixels of an image file, by Pillow's conversion to RGB as the published loaders.

    Palettes and grey become RGB, an alpha channel is dropped, of an animation the first frame
    counts. Grey of more than 8 bits is scaled, see `grey_of`: Pillow alone would cut it off at 255.

    Args:
      content: a whole file in one of `formats.FORMATS`.
      max_pixels: files with more pixels are refused before they are decoded.
      exif: "ignore" for the pixels as every format stores them, "apply" to turn them.
      least_side: JPEGs are decoded at a half, a quarter or an eighth of their size by libjpeg
        where the shorter side keeps so many pixels; 0 for all at their whole size.

    Returns:
      u8 [H, W, 3].

    Raises:
      ValueError: where the file is no image, is damaged, or is too large.
    """
    with open_image(content, max_pixels=max_pixels) as image:
        if least_side and isinstance(image, JpegImagePlugin.JpegImageFile):
            image.draft(image.mode, (least_side, least_side))
        return to_rgb(image, exif=exif)


def decode_bgr(content: bytes, *, max_pixels: int, least_side: int = 0) -> np.ndarray:
    """Returns the pixels of `decode` in OpenCV's order, and quicker for the commonest PNG."""
    pixels = decode_plain_png(content, max_pixels=max_pixels)
    if pixels is not None:
        return pixels
    return swap_channels(decode(content, max_pixels=max_pixels, least_side=least_side))


def to_rgb(image: Image.Image, *, exif: Exif = "ignore") -> np.ndarray:
    """Returns the pixels of `decode`, u8 [H, W, 3], of an open image, each time the same.

    Pillow turns a TIFF by EXIF when it loads it, and nothing else. Of a TIFF that the caller has
    loaded, the pixels are those that the caller sees.

    Raises:
      ValueError: where it is a TIFF that was closed before it was loaded.
    """
    turns, orientation = _TURNS, 1
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        image.load()
        orientation = _orientation(image) if exif == "apply" else 1
    elif image.tile and image.fp is None:
        raise ValueError("the image was closed before it was loaded")
    elif image.tile and exif == "ignore":
        turns, orientation = _BACK, _orientation(image)
        image = image if orientation == 1 else _opened_anew(image)
    rgb = _eight_bits(image)
    turn = turns.get(orientation)
    return np.asarray(rgb if turn is None else rgb.transpose(turn))


def _opened_anew(image: TiffImagePlugin.TiffImageFile) -> TiffImagePlugin.TiffImageFile:
    """Opens the file of a TIFF again, at the same picture: the caller's image stays unloaded."""
    assert image.fp is not None
    image.fp.seek(0)
    anew = TiffImagePlugin.TiffImageFile(image.fp)
    anew.seek(image.tell())
    return anew


def _orientation(image: Image.Image) -> int:
    """Returns EXIF's orientation, 1 to 8; 1 where EXIF is damaged, which harms no pixel.

    HEIC and JPEG XL say elsewhere how they are turned, and their decoders do it.
    """
    if image.format in plugin_formats():
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # as in open_image
        return 1


def _eight_bits(image: Image.Image) -> Image.Image:
    stated = sorted(image.size)  # a TIFF turns as it is loaded
    image.load()
    if sorted(image.size) != stated:
        raise RefusedSizeError(f"{image.width}x{image.height} pixels, and its header states others")
    if is_wide_grey(image):
        image = Image.fromarray(grey_of(image))
    elif image.mode == "La":  # grey times alpha, which Pillow takes to RGB in two steps
        image = image.convert("LA")
    return image if image.mode == "RGB" else image.convert("RGB")


def jpeg(image: np.ndarray, *, quality: int, codec: str = "cv2", order: str = "rgb") -> np.ndarray:
    """Compresses an image to JPEG in memory and decodes it again, chroma at half resolution.

    Args:
      image: u8 [H, W, 3].
      quality: 1 to 100.
      codec: "cv2" (OpenCV) or "pil" (Pillow), each with its defaults, as CNNDetection has it.
        Both call libjpeg-turbo: the same release gives the same bits.
      order: "rgb" or "bgr", of the channels in and out.

    Returns:
      u8 [H, W, 3].

    Raises:
      BadArgumentError: where the image is none, or there is no such quality, codec or order.
      RefusedSizeError: where a side is longer than that of any JPEG.
    """
    image = check_pixels(image)
    check_number("quality", quality, "[1, 100]", whole=True)
    _check_jpeg_sides(image)
    if order not in ("rgb", "bgr"):
        raise BadArgumentError(f"order {order!r} is neither 'rgb' nor 'bgr'")
    if codec not in tuple(_JPEG):
        raise BadArgumentError(f"codec {codec!r} is neither 'cv2' nor 'pil'")
    through, native = _JPEG[codec]
    if order == native:
        return through(image, quality)
    return swap_channels(through(swap_channels(image), quality))


def encode_jpeg(image: np.ndarray, *, quality: int, sampling: str = "4:2:0") -> bytes:
    """Returns an image as a JPEG file by Pillow.

    Args:
      image: u8 [H, W, 3], RGB.
      quality: 1 to 100.
      sampling: of the chroma channels, "4:4:4", "4:2:2" or "4:2:0".

    Raises:
      RefusedSizeError: where a side is longer than that of any JPEG.
    """
    _check_jpeg_sides(image)
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", quality=quality, subsampling=sampling)
    return content.getvalue()


def _check_jpeg_sides(image: np.ndarray) -> None:
    if max(image.shape) > _LONGEST_JPEG:
        raise RefusedSizeError(f"a side of {max(image.shape)} pixels is too long for a JPEG")


def swap_channels(image: np.ndarray) -> np.ndarray:
    """Returns a copy u8 [H, W, 3] with red and blue exchanged."""
    swapped: np.ndarray = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return swapped


def _jpeg_opencv(image: np.ndarray, quality: int) -> np.ndarray:
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(content, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded a line above
    return decoded


def _jpeg_pillow(image: np.ndarray, quality: int) -> np.ndarray:
    content = io.BytesIO(encode_jpeg(image, quality=quality))
    return np.asarray(Image.open(content, formats=("JPEG",)).convert("RGB"))


# Codec: how to go through it, and the order of channels it takes and gives.
_JPEG = MappingProxyType({"cv2": (_jpeg_opencv, "bgr"), "pil": (_jpeg_pillow, "rgb")})
