"""Turns arrays into pictures that a page can hold: thumbnails, spectra, activation maps."""

import base64
import io

import matplotlib
import numpy as np
from PIL import Image

THUMBNAIL = 128  # pixels of the longer side, at most
_QUALITY = 82
_SHADES = 64  # of a spectrum: fewer make a smaller file, more are not told apart
# For fake and for real: the ends of ColorBrewer's PuOr, told apart in every kind of colour
# blindness, https://colorbrewer2.org.
FAKE, REAL = (230, 97, 1), (94, 60, 153)
_OPAQUE = 0.8  # of 1, where the evidence is strongest


def thumbnail(image: np.ndarray) -> bytes:
    """Returns a picture u8 [H, W, 3], RGB, as a JPEG, its longer side at most `THUMBNAIL`."""
    picture = Image.fromarray(image)
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return jpeg(np.asarray(picture))


def jpeg(image: np.ndarray) -> bytes:
    """Returns a picture u8 [H, W, 3], RGB, as a JPEG."""
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", quality=_QUALITY, optimize=True)
    return content.getvalue()


def shades(values: np.ndarray, *, low: float, high: float) -> bytes:
    """Returns a PNG of f [H, W] in cividis, dark at `low` to bright at `high`, even to the eye."""
    share = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    picture = Image.fromarray(np.rint(share * (_SHADES - 1)).astype(np.uint8), "P")
    colours = matplotlib.colormaps["cividis"](np.linspace(0, 1, _SHADES))[:, :3]
    picture.putpalette(np.rint(255 * colours).astype(np.uint8).tobytes())
    return _png(picture)


def activation_overlay(values: np.ndarray, *, scale: float) -> bytes:
    """Returns a PNG [h, w] to overlay: orange for fake, purple for real, clear where neither.

    Args:
      values: f32 [h, w], above 0 where it speaks for fake.
      scale: the value from which on colours are at their strongest.
    """
    strength = np.clip(np.abs(values) / max(scale, 1e-12), 0, 1)
    colour = np.where(values[..., None] > 0, np.array(FAKE), np.array(REAL))
    alpha = 255 * _OPAQUE * strength[..., None]
    return _png(Image.fromarray(np.rint(np.concatenate([colour, alpha], -1)).astype(np.uint8)))


def data_uri(content: bytes) -> str:
    """Returns the picture as a data URI."""
    kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True)
    return content.getvalue()
