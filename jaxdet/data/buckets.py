"""Pieces of unlike sizes in batches of a few shapes, each of which is compiled once."""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from jaxdet.data.pieces import Piece

_CROP_PIXELS = 224 * 224
# Crops of a batch on an accelerator, which needs many to be busy: 32 for each six gibibytes of its
# memory. resnet50_nodown in float32, which needs most, takes 4.7 for them, ResNet-50 .4 (by
# `bench roofline --score`).
_CROPS = 32
_CROPS_BYTES = 6 * 2**30
_MOST_CROPS = 512
# Pixels of a batch on a CPU. It is quickest with few, whose maps stay in its caches, and leaves
# less unfilled.
_CPU_PIXELS = 2**18
# Rows of a batch, unless as many crops fit.
_MAX_BATCH = 32
# Shapes of arrays after which no finer ones are begun.
MAX_SHAPES = 64

# Height and width of an array.
Shape = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class PieceBatch:
    """Holds pieces, each in the upper left corner of its row of one array.

    Attributes:
      pieces: n of them.
      image: u8 [b, H, W, 3], b >= n; b, H and W take few values.
      size: i32 [b, 2], height and width of each; rows beyond n are filled.
    """

    pieces: list[Piece]
    image: np.ndarray
    size: np.ndarray


def bucket(height: int, width: int) -> Shape:
    """Returns the sides of the array for a piece: its own, rounded up.

    In steps of 32 up to 256, then of an eighth to a quarter of the side.
    """
    return _side(height), _side(width)


def exact(height: int, width: int) -> Shape:
    """Returns the sides as they are, for networks that take no padded arrays."""
    return height, width


class Buckets:
    """Finds sides as `bucket` does, but beyond MAX_SHAPES shapes among those that are there.

    What no such array holds at less than four times its pixels gets sides that are powers of
    two, of which there are few. Scores do not depend on it beyond rounding.
    """

    def __init__(self, most: int = MAX_SHAPES):
        """Begins with no shape, and gives fine ones while there are fewer than `most`."""
        self.shapes: set[Shape] = set()
        self._most = most

    def __call__(self, height: int, width: int) -> Shape:
        """Returns the sides of the array for a piece."""
        fine = bucket(height, width)
        if len(self.shapes) >= self._most and fine not in self.shapes:
            fine = self._coarse(fine)
        self.shapes.add(fine)
        return fine

    def _coarse(self, fine: Shape) -> Shape:
        limit = 4 * math.prod(fine)
        holding = [
            shape
            for shape in self.shapes
            if shape[0] >= fine[0] and shape[1] >= fine[1] and math.prod(shape) < limit
        ]
        return min(holding, key=math.prod, default=(_power_of_two(fine[0]), _power_of_two(fine[1])))


class FewShapes:
    """Finds sides for pieces of which nothing is known beforehand, among a dozen shapes.

    `SHAPES` hold whatever is scored whole. Sides that come often get an array that fits them
    better, as a mass of images from one source deserves; of those there are MAX_SHAPES at most.
    """

    # At most about four times the pixels of an image, but of small and of very long ones.
    SHAPES: tuple[Shape, ...] = (
        (128, 128), (256, 256), (512, 512), (512, 1024), (1024, 512), (1024, 1024),
        (1024, 2048), (2048, 1024), (1536, 1536), (1408, 2048), (2048, 1408),
    )  # fmt: skip
    # Pieces of about the same size, tiles among them, after which compiling for them pays.
    _OFTEN = 1000

    def __init__(self) -> None:
        """Begins without finer shapes."""
        self._counts: Counter[Shape] = Counter()
        self._fine: set[Shape] = set()

    def __call__(self, height: int, width: int) -> Shape:
        """Returns the sides of the array for a piece."""
        fine = bucket(height, width)
        self._counts[fine] += 1
        if self._counts[fine] > self._OFTEN and len(self._fine) < MAX_SHAPES:
            self._fine.add(fine)
        if fine in self._fine:
            return fine
        holding = (one for one in self.SHAPES if one[0] >= height and one[1] >= width)
        return min(holding, key=math.prod, default=fine)


def batch_pixels(platform: str, memory: int | None = None) -> int:
    """Returns the pixels of a batch for each device.

    Args:
      platform: as JAX names it.
      memory: bytes of a device; None where they are not known.
    """
    if platform == "cpu":
        return _CPU_PIXELS
    crops = (memory or 0) // _CROPS_BYTES * _CROPS
    # A power of two.
    return min(max(1 << crops.bit_length() >> 1, _CROPS), _MOST_CROPS) * _CROP_PIXELS


def batches(
    pieces: Iterable[Piece],
    *,
    pixels: int,
    find: Callable[[int, int], Shape] = bucket,
    devices: int = 1,
    full: bool = False,
) -> Iterator[PieceBatch]:
    """Yields batches of pieces of about the same size, each as soon as it is full.

    The batches of a shape are consecutive runs of the pieces of that shape. So the rest of an
    interrupted work, begun with the first piece that has no score, makes the same batches.

    Args:
      pieces: in any order.
      pixels: of a batch for each device, `batch_pixels`; a larger piece is alone.
      find: `bucket`, `exact`, `Buckets` or `FewShapes`.
      devices: number that divides the rows of every batch.
      full: give the last batch of a shape as many rows as the others, so that each shape is
        compiled once; otherwise a single piece goes alone, and a few in as few rows as may be.
    """
    waiting: dict[Shape, list[Piece]] = {}
    for piece in pieces:
        shape = find(*piece.pixels.shape[:2])
        group = waiting.setdefault(shape, [])
        group.append(piece)
        if len(group) == devices * _batch_size(shape, pixels):
            yield _stack(waiting.pop(shape), shape, len(group))
    for shape, group in waiting.items():
        each = _batch_size(shape, pixels)
        if not full:
            # Few numbers of rows, each of which is compiled: 1, _MAX_BATCH and its doubles.
            filled = _power_of_two(math.ceil(len(group) / devices))
            each = 1 if filled == 1 else min(each, max(_MAX_BATCH, filled))
        yield _stack(group, shape, devices * each)


def _side(length: int) -> int:
    step = 32 if length <= 256 else _power_of_two(length) // 8
    return math.ceil(length / step) * step


def _power_of_two(number: int) -> int:
    """Returns the least power of two that is not smaller."""
    return 1 << (number - 1).bit_length()


def _batch_size(shape: Shape, pixels: int) -> int:
    most = max(_MAX_BATCH, pixels // _CROP_PIXELS)
    return max(1, min(most, pixels // (shape[0] * shape[1])))


def _stack(pieces: list[Piece], shape: Shape, rows: int) -> PieceBatch:
    image = np.zeros((rows, *shape, 3), np.uint8)
    size = np.full((rows, 2), shape, np.int32)
    for row, piece in enumerate(pieces):
        height, width = size[row] = piece.pixels.shape[:2]
        image[row, :height, :width] = piece.pixels
    return PieceBatch(pieces, image, size)
