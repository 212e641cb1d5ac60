"""How many pixels an image may have, by its header, before any is decoded."""

# Longer side by shorter side. What is made of an image, by padding it to a crop or by resizing its
# shorter side, grows with this: a line of fifty megapixels would become gigabytes.
LARGEST_RATIO = 1024


class RefusedSizeError(ValueError):
    """An image that is perhaps sound, but too large or of an absurd shape."""


def check_sides(width: int, height: int, *, max_pixels: int) -> None:
    """Sees that an image may be decoded.

    Args:
      width: by its header, pixels.
      height: the same.
      max_pixels: how many it may have.

    Raises:
      RefusedSizeError: where it has none, more than that, or a side far longer than the other.
    """
    if width < 1 or height < 1:
        raise RefusedSizeError(f"{width}x{height} are no pixels")
    if width * height > max_pixels:
        raise RefusedSizeError(
            f"{width}x{height} pixels are more than data.max_pixels={max_pixels}"
        )
    if max(width, height) > LARGEST_RATIO * min(width, height):
        raise RefusedSizeError(
            f"{width}x{height} pixels: a side is more than {LARGEST_RATIO} times the other"
        )
