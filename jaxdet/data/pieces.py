"""Which part of an image is scored, as one piece or as several."""

import dataclasses
import itertools
import math

import numpy as np

from jaxdet.data.ops import center_corner, center_crop, pad_to

# Larger images are scored in tiles: a whole one's features would not fit in 2 GiB (ResNet-50).
MAX_WHOLE_PIXELS = 2**21
# Longest side of a tile, pixels. Each tile is scored as an image of its own.
TILE = 512

# Side of the centre crop, "none" for whole images, or "tiles".
Crop = int | str
# Rows and columns of a part of an image.
Box = tuple[slice, slice]


@dataclasses.dataclass(frozen=True)
class Piece:
    """A part of an image that goes through the network as one.

    Attributes:
      owner: number of the image it belongs to.
      pixels: u8 [h, w, 3].
      share: of the image's score; the shares of an image add up to 1.
      number: place among the image's pieces.
      of: how many pieces the image has.
      sharpness: variance of the Laplacian, where somebody measured it.
    """

    owner: int
    pixels: np.ndarray
    share: float = 1.0
    number: int = 0
    of: int = 1
    sharpness: float = 0.0


def cut(image: np.ndarray, *, owner: int, crop: Crop, smallest: int = 1) -> list[Piece]:
    """The pieces of an image.

    Args:
      image: u8 [H, W, 3].
      owner: its number.
      crop: side of a centre crop in pixels, "none" for the whole image, or "tiles".
      smallest: side that whole images are padded to with black, where they are smaller, pixels.
    """
    if isinstance(crop, int):
        return [Piece(owner, center_crop(image, size=crop))]
    image = pad_to(image, size=smallest)
    height, width = image.shape[:2]
    boxes = whole_boxes(height, width) if crop == "none" else _tiles(height, width)
    return [Piece(owner, image[box], share) for box, share in zip(boxes, areas(boxes), strict=True)]


def whole_boxes(height: int, width: int) -> list[Box]:
    """The whole image as one, or its tiles where it has more than MAX_WHOLE_PIXELS."""
    if height * width <= MAX_WHOLE_PIXELS:
        return [(slice(0, height), slice(0, width))]
    return _tiles(height, width)


def five_boxes(height: int, width: int, *, size: int) -> list[Box]:
    """The four corners and the centre, in the order of torchvision's FiveCrop.

    Args:
      height: of the image, at least `size` pixels.
      width: of the image, at least `size` pixels.
      size: side of a crop, pixels.
    """
    corners = [(0, 0), (0, width - size), (height - size, 0), (height - size, width - size)]
    corners.append((center_corner(height, size), center_corner(width, size)))
    return [square(top, left, size) for top, left in corners]


def random_boxes(
    height: int, width: int, *, size: int, count: int, rng: np.random.Generator
) -> list[Box]:
    """Squares of `size` pixels at random places of an image that holds them."""
    tops = rng.integers(0, height - size + 1, count)
    lefts = rng.integers(0, width - size + 1, count)
    return [square(int(top), int(left), size) for top, left in zip(tops, lefts, strict=True)]


def square(top: int, left: int, size: int) -> Box:
    """The box of `size` x `size` pixels with this upper left corner."""
    return slice(top, top + size), slice(left, left + size)


def areas(boxes: list[Box]) -> list[float]:
    """Each box's share of the area of all."""
    pixels = [(y.stop - y.start) * (x.stop - x.start) for y, x in boxes]
    return [one / sum(pixels) for one in pixels]


def _tiles(height: int, width: int) -> list[Box]:
    return [(y, x) for y in _spans(height) for x in _spans(width)]


def _spans(length: int) -> list[slice]:
    """The length in the fewest parts of at most TILE, as equal as whole pixels allow."""
    edges = np.linspace(0, length, math.ceil(length / TILE) + 1).round().astype(int)
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]
