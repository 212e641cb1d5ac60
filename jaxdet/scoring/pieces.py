"""Cuts images into the pieces that go through a network, each as one."""

import dataclasses
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from jaxdet.data.augment.operation import Operation, apply_within
from jaxdet.data.ops import center_corner, flip, pad_to
from jaxdet.scoring.protocol import DEFAULT_PROTOCOL, Protocol

# Rows and columns of a part of an image.
Box = tuple[slice, slice]

# Larger images are scored in tiles: a whole one's features would not fit in 2 GiB (ResNet-50).
MAX_WHOLE_PIXELS = 2**21
# Longer ones too: a few shapes of arrays then hold every whole image (`batches.SHAPES`).
MAX_WHOLE_SIDE = 2048
# Longest side of a tile, pixels. Each tile is scored as an image of its own.
TILE = 512


@dataclasses.dataclass(frozen=True)
class Piece:
    """Represents a part of an image that goes through the network as one.

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


def cut(
    image: np.ndarray, *, owner: int, protocol: Protocol = DEFAULT_PROTOCOL, smallest: int = 1
) -> list[Piece]:
    """Returns the pieces of an image that a protocol scores.

    Args:
      image: u8 [H, W, 3].
      owner: its number.
      protocol: what of the image is scored.
      smallest: side that whole images are padded to with black, where they are smaller, pixels.
    """
    image = pad_to(protocol.reduce(image), size=protocol.padded_side(smallest))
    height, width = image.shape[:2]
    pieces = cut_boxes(image, find_boxes(height, width, protocol), owner=owner)
    return with_mirrored(pieces) if protocol.parts == "ten_crops" else pieces


def with_mirrored(pieces: list[Piece]) -> list[Piece]:
    """Returns the pieces of an image and their mirror images, as torchvision's TenCrop."""
    mirrored = [dataclasses.replace(one, pixels=flip(one.pixels)) for one in pieces]
    both = [*pieces, *mirrored]
    return [
        dataclasses.replace(one, share=one.share / 2, number=number, of=len(both))
        for number, one in enumerate(both)
    ]


def cut_boxes(
    image: np.ndarray, boxes: list[Box], *, owner: int, operations: Sequence[Operation] = ()
) -> list[Piece]:
    """Returns the pieces of an image that lie in boxes, after operations that have a margin.

    Each is in memory of its own: none that waits keeps its whole image.
    """
    return [
        Piece(owner, apply_within(operations, image, *box).copy(), share, number, len(boxes))
        for number, (box, share) in enumerate(zip(boxes, areas(boxes), strict=True))
    ]


def find_boxes(height: int, width: int, protocol: Protocol) -> list[Box]:
    """Returns where in an image that was reduced and padded the pieces of a protocol lie."""
    if protocol.parts in ("five_crops", "ten_crops"):
        return five_boxes(height, width, size=protocol.crop)
    is_one = height * width <= MAX_WHOLE_PIXELS and max(height, width) <= MAX_WHOLE_SIDE
    if protocol.parts == "crop" or (protocol.parts == "full" and is_one):
        return [(slice(0, height), slice(0, width))]
    return [(y, x) for y in _spans(height) for x in _spans(width)]


def five_boxes(height: int, width: int, *, size: int) -> list[Box]:
    """Returns the four corners and the centre, in the order of torchvision's FiveCrop.

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
    """Samples squares of side `size`, pixels, at random places of an image that holds them."""
    tops = rng.integers(0, height - size + 1, count)
    lefts = rng.integers(0, width - size + 1, count)
    return [square(int(top), int(left), size) for top, left in zip(tops, lefts, strict=True)]


def square(top: int, left: int, size: int) -> Box:
    """Returns the box of `size` x `size` pixels with this upper left corner."""
    return slice(top, top + size), slice(left, left + size)


def areas(boxes: list[Box]) -> list[float]:
    """Returns each box's share of the area of all."""
    pixels = [(y.stop - y.start) * (x.stop - x.start) for y, x in boxes]
    return [one / sum(pixels) for one in pixels]


def image_logits(scored: Iterable[list[tuple[Piece, float]]]) -> dict[int, float]:
    """Returns the logit of each image by its number: those of its pieces, each by its share."""
    logits: dict[int, float] = defaultdict(float)
    for batch in scored:
        for piece, logit in batch:
            logits[piece.owner] += piece.share * logit
    return dict(logits)


def _spans(length: int) -> list[slice]:
    """Cuts a length into the fewest parts of at most TILE.

    They are as equal as whole pixels allow.
    """
    edges = np.linspace(0, length, math.ceil(length / TILE) + 1).round().astype(int)
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]
