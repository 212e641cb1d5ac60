"""Degrades an image by an amount that is given, not drawn."""

from jaxdet.data.augment.blur import Blur
from jaxdet.data.augment.jpeg import Jpeg
from jaxdet.data.augment.operation import Operation
from jaxdet.data.augment.rescale import Scale
from jaxdet.data.augment.resize import Shrink


def degradation(kind: str, level: float) -> Operation:
    """Returns the operation of a kind at a level.

    Args:
      kind: "blur" (the published arithmetic), "jpeg" (Pillow, as CNNDetection's `--jpg_method
        pil`), "scale" or "long" (Pillow's antialiased bilinear).
      level: sigma in pixels, quality 1..100, factor, or pixels of the longer side.

    Raises:
      ValueError: where the kind is unknown.
    """
    match kind:
        case "blur":
            return Blur(sigma=level)
        case "jpeg":
            return Jpeg(quality=int(level))
        case "scale":
            return Scale(level)
        case "long":
            return Shrink(int(level))
    raise ValueError(f"kind {kind!r} is none of blur, jpeg, scale, long")
