"""Which part of an image is scored, and how parts of unlike sizes share compiled shapes."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator

import numpy as np

from jaxdet.data.ops import center_crop

# Larger images are scored in tiles: a whole one's features would not fit in 2 GiB (ResNet-50).
MAX_WHOLE_PIXELS = 2**21
# Longest side of a tile, pixels. Each tile is scored as an image of its own.
TILE = 512
# Pixels of a batch: 32 crops of 224.
_BATCH_PIXELS = 32 * 224 * 224
_MAX_BATCH = 32

# Side of the centre crop, "none" for whole images, or "tiles".
Crop = int | str


@dataclasses.dataclass(frozen=True)
class Piece:
    """A part of an image that goes through the network as one.

    Attributes:
      owner: number of the image it belongs to.
      pixels: u8 [h, w, 3].
      share: of the image's area; the shares of an image add up to 1.
    """

    owner: int
    pixels: np.ndarray
    share: float = 1.0


def cut(image: np.ndarray, *, owner: int, crop: Crop) -> list[Piece]:
    """The pieces of an image, u8 [H, W, 3]."""
    if isinstance(crop, int):
        return [Piece(owner, center_crop(image, size=crop))]
    height, width = image.shape[:2]
    if crop == "none" and height * width <= MAX_WHOLE_PIXELS:
        return [Piece(owner, image)]
    return [
        Piece(owner, image[y, x], (y.stop - y.start) * (x.stop - x.start) / (height * width))
        for y in _spans(height)
        for x in _spans(width)
    ]


def _spans(length: int) -> list[slice]:
    """The length in the fewest parts of at most TILE, as equal as whole pixels allow."""
    edges = np.linspace(0, length, math.ceil(length / TILE) + 1).round().astype(int)
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


@dataclasses.dataclass(frozen=True)
class PieceBatch:
    """Pieces in the upper left corners of one array.

    Attributes:
      pieces: n of them.
      image: u8 [b, H, W, 3], b >= n; b, H and W take few values.
      size: i32 [b, 2], height and width of each; rows beyond n are filled.
    """

    pieces: list[Piece]
    image: np.ndarray
    size: np.ndarray


def batches(pieces: Iterable[Piece]) -> Iterator[PieceBatch]:
    """Pieces of about the same size together, each as soon as a batch is full."""
    waiting: dict[tuple[int, int], list[Piece]] = {}
    for piece in pieces:
        shape = _bucket(piece.pixels.shape[0]), _bucket(piece.pixels.shape[1])
        group = waiting.setdefault(shape, [])
        group.append(piece)
        if len(group) == _batch_size(shape):
            yield _stack(waiting.pop(shape), shape)
    for shape, group in waiting.items():
        yield _stack(group, shape)


def _bucket(side: int) -> int:
    """The side rounded up: by 32 to 256, then in steps of an eighth to a quarter of the side."""
    step = 32 if side <= 256 else 2 ** (math.ceil(math.log2(side)) - 3)
    return math.ceil(side / step) * step


def _batch_size(shape: tuple[int, int]) -> int:
    return max(1, min(_MAX_BATCH, _BATCH_PIXELS // (shape[0] * shape[1])))


def _stack(pieces: list[Piece], shape: tuple[int, int]) -> PieceBatch:
    # Powers of two: a rest is compiled for few lengths, and one image does not cost a batch.
    rows = min(2 ** math.ceil(math.log2(len(pieces))), _batch_size(shape))
    image = np.zeros((rows, *shape, 3), np.uint8)
    size = np.full((rows, 2), shape, np.int32)
    for row, piece in enumerate(pieces):
        height, width = size[row] = piece.pixels.shape[:2]
        image[row, :height, :width] = piece.pixels
    return PieceBatch(pieces, image, size)
