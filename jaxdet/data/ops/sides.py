"""Limits how many pixels an image may have, by its header, before any is decoded."""

import contextlib
import threading

# Longer side by shorter side. What is made of an image, by padding it to a crop or by resizing its
# shorter side, grows with this: a line of fifty megapixels would become gigabytes.
LARGEST_RATIO = 1024
# Pixels of the largest image that is made of another by padding or enlarging it, and of those
# made of a much smaller one: a strip of a kilobyte would become hundreds of megabytes.
LARGEST_MADE, _SMALL_MADE, _MOST_TIMES = 2**28, 2**24, 16
# Larger images wait for each other: one of 200 megapixels takes two gigabytes while it is decoded.
_LARGE_PIXELS = 50_000_000
_ONE_LARGE = threading.RLock()


class RefusedError(ValueError):
    """Signals that an image, perhaps intact, is not read here; the text gives the reason."""


class RefusedSizeError(RefusedError):
    """Signals that an image, perhaps intact, is too large or of an absurd shape."""


class LimitError(RefusedSizeError):
    """Signals that an image is larger than an option allows.

    Attributes:
      what: is too large, up to the option's name.
      limit: the option's value.
    """

    def __init__(self, what: str, limit: int):
        """Takes the attributes."""
        super().__init__(what, limit)
        self.what, self.limit = what, limit

    def __str__(self) -> str:
        return self.naming("data.max_pixels")

    def naming(self, option: str) -> str:
        """Returns the message with the option of the command that reads the image."""
        return f"{self.what} {option}={self.limit}"


def check_sides(width: int, height: int, *, max_pixels: int) -> None:
    """Raises RefusedSizeError unless an image may be decoded.

    Args:
      width: by its header, pixels.
      height: the same.
      max_pixels: how many it may have.

    Raises:
      LimitError: where it has more than that.
      RefusedSizeError: where it has none, or a side far longer than the other.
    """
    if width < 1 or height < 1:
        raise RefusedSizeError(f"{width}x{height} are no pixels")
    if width * height > max_pixels:
        raise LimitError(f"{width}x{height} pixels are more than", max_pixels)
    if max(width, height) > LARGEST_RATIO * min(width, height):
        raise RefusedSizeError(
            f"{width}x{height} pixels: a side is more than {LARGEST_RATIO} times the other"
        )


def check_made(width: int, height: int, *, of: int) -> None:
    """Raises RefusedSizeError unless an image of these sides may be made of one of `of` pixels."""
    made = width * height
    if made > LARGEST_MADE or made > max(_SMALL_MADE, _MOST_TIMES * of):
        raise RefusedSizeError(
            f"would become {width}x{height} pixels by padding or resizing, which is absurd"
        )


def turn_for(pixels: int) -> contextlib.AbstractContextManager:
    """Returns what to decode an image in: large ones are decoded one at a time in a process."""
    return _ONE_LARGE if pixels > _LARGE_PIXELS else contextlib.nullcontext()
