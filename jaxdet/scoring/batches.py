"""Puts pieces of unlike sizes into batches of a few shapes, each of which is compiled once."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator

import numpy as np

from jaxdet.scoring.pieces import Piece
from jaxdet.scoring.protocol import Protocol

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
# Pieces of a batch, unless as many crops fit.
_MAX_BATCH = 32
# Crops of a batch that clients wait for, on a CPU: more of them cost as much each, and take longer.
_FEW = 4
# Close-fitting shapes at most.
MAX_SHAPES = 64

# Height and width of an array.
Shape = tuple[int, int]
# n pieces, and `image` u8 [b, H, W, 3] with each in the upper left corner of its place and, where
# asked for, `size` i32 [b, 2] with its height and width; b >= n, H and W take few values, places
# beyond n are filled.
PieceBatch = tuple[list[Piece], dict[str, np.ndarray]]

# Of these one holds whatever is scored whole, at most about four times its pixels, but of small and
# of very long images.
SHAPES: tuple[Shape, ...] = (
    (128, 128), (256, 256), (512, 512), (512, 1024), (1024, 512), (1024, 1024),
    (1024, 2048), (2048, 1024), (1536, 1536), (1408, 2048), (2048, 1408),
)  # fmt: skip


def close_shape(height: int, width: int) -> Shape:
    """Returns the sides of a close-fitting array: a piece's own, rounded up.

    In steps of 32 up to 256, then of an eighth to a quarter of the side.
    """
    return _side(height), _side(width)


class Shapes:
    """Finds the shape for a piece of any size: one that fits closely, or one of a dozen.

    Sides that come often get a close-fitting shape, of which there are MAX_SHAPES at most: then
    compiling for them pays. Beyond those, what only a shape of over four times its pixels holds
    gets sides that are powers of two. Scores do not depend on it beyond rounding.
    """

    def __init__(self, often: float = 0):
        """Begins with SHAPES; gives a close shape to pieces that `often` others had before."""
        self.often = often
        self._counts: Counter[Shape] = Counter()
        self._close: set[Shape] = set()

    def __call__(self, height: int, width: int) -> Shape:
        """Returns the sides of the array for a piece."""
        close = close_shape(height, width)
        self._counts[close] += 1
        if self._counts[close] > self.often and len(self._close) < MAX_SHAPES:
            self._close.add(close)
        if close in self._close:
            return close
        holding = (s for s in (*SHAPES, *self._close) if s[0] >= height and s[1] >= width)
        best = min(holding, key=math.prod, default=close)
        if len(self._close) == MAX_SHAPES and math.prod(best) > 4 * math.prod(close):
            return _power_of_two(close[0]), _power_of_two(close[1])
        return best


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


def few_crops(platform: str, protocol: Protocol) -> int:
    """Returns the crops of a batch that clients wait for, of an image at least.

    Args:
      platform: as JAX names it.
      protocol: by which images are scored.
    """
    if platform != "cpu":
        return _MAX_BATCH
    fitting = _batch_size((protocol.crop, protocol.crop), _CPU_PIXELS)
    return min(max(_FEW, protocol.crops), fitting)


def batches(
    pieces: Iterable[Piece],
    *,
    pixels: int,
    find: Callable[[int, int], Shape] | None = None,
    devices: int = 1,
    full: bool = False,
    lengths: Collection[int] = (),
    sizes: bool = True,
) -> Iterator[PieceBatch]:
    """Yields batches of pieces of one shape, each as soon as it is full.

    The batches of a shape are consecutive runs of the pieces of that shape. So the rest of an
    interrupted work, begun with the first piece that has no score, makes the same batches.

    Args:
      pieces: in any order.
      pixels: of a batch for each device, `batch_pixels`; a larger piece is alone.
      find: `Shapes` or `close_shape`; None for the sides as they are.
      devices: number that divides the length of every batch.
      full: make the last batch of a shape as long as the others, so that each shape is compiled
        once; otherwise a single piece goes alone, and a few in as short a batch as may be.
      lengths: of short batches that are compiled already, for each device; where not `full`.
      sizes: whether a batch has `size`.
    """
    waiting: dict[Shape, list[Piece]] = {}
    for piece in pieces:
        height, width = piece.pixels.shape[:2]
        shape = find(height, width) if find else (height, width)
        group = waiting.setdefault(shape, [])
        group.append(piece)
        if len(group) == devices * _batch_size(shape, pixels):
            yield _stack(waiting.pop(shape), shape, len(group), sizes)
    for shape, group in waiting.items():
        each = _batch_size(shape, pixels)
        if not full:
            each = _short(math.ceil(len(group) / devices), each, lengths)
        yield _stack(group, shape, devices * each, sizes)


def _side(length: int) -> int:
    step = 32 if length <= 256 else _power_of_two(length) // 8
    return math.ceil(length / step) * step


def _power_of_two(number: int) -> int:
    """Returns the least power of two that is not smaller."""
    return 1 << (number - 1).bit_length()


def _batch_size(shape: Shape, pixels: int) -> int:
    most = max(_MAX_BATCH, pixels // _CROP_PIXELS)
    return max(1, min(most, pixels // (shape[0] * shape[1])))


def _short(count: int, most: int, lengths: Collection[int]) -> int:
    """Returns the length of a batch for a few pieces.

    Few lengths, each of which is compiled: 1, _MAX_BATCH and its doubles, and those given.
    """
    if count == 1:
        return 1
    usual = max(_MAX_BATCH, _power_of_two(count))
    return min(most, usual, *(length for length in lengths if length >= count))


def _stack(pieces: list[Piece], shape: Shape, length: int, sizes: bool) -> PieceBatch:
    image = np.zeros((length, *shape, 3), np.uint8)
    size = np.full((length, 2), shape, np.int32)
    for place, piece in enumerate(pieces):
        height, width = size[place] = piece.pixels.shape[:2]
        image[place, :height, :width] = piece.pixels
    return pieces, {"image": image, **({"size": size} if sizes else {})}
