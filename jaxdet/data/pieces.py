"""Which part of an image is scored, as one piece or as several."""

import dataclasses
import itertools
import math
import operator

import numpy as np

from jaxdet.config import Config
from jaxdet.data.ops import center_corner, center_crop, pad_to, resize_shorter
from jaxdet.errors import UserError
from jaxdet.ranges import SIDE, Range, show_value

# Larger images are scored in tiles: a whole one's features would not fit in 2 GiB (ResNet-50).
MAX_WHOLE_PIXELS = 2**21
# Longer ones too: a few shapes of arrays then hold every whole image (`buckets.FewShapes`).
MAX_WHOLE_SIDE = 2048
# Longest side of a tile, pixels. Each tile is scored as an image of its own.
TILE = 512

# Side of the centre crop, "none" for whole images, or "tiles": what a user may ask for.
Crop = int | str
# Rows and columns of a part of an image.
Box = tuple[slice, slice]


@dataclasses.dataclass(frozen=True)
class Protocol:
    """States what of an image is scored.

    Attributes:
      parts: "crop" (the centre), "five_crops" (the corners too), "full" (the whole image, in tiles
        where it is too large) or "tiles".
      crop: side of the crops, pixels; smaller images are padded with black. Of "full" and "tiles"
        the side of the centre crop whose evidence is shown.
      resize: shorter side that the image is resized to before, pixels; 0 for none.
    """

    parts: str = "crop"
    crop: int = 224
    resize: int = 0

    @classmethod
    def of_run(cls, config: Config) -> "Protocol":
        """Returns the protocol by which a run is measured: the first of those evaluated."""
        first = config.evaluation.protocols[0]
        if first == "resize":
            return cls("crop", config.eval_crop, config.evaluation.resize)
        return cls(first, config.eval_crop)

    def asked(self, crop: Crop | None = None, resize: int | None = None) -> "Protocol":
        """Returns this protocol with what a user asks for in its place.

        Args:
          crop: side of the centre crop, pixels, "none" for whole images, or "tiles"; it is not
            resized before, unless that is asked for too.
          resize: shorter side of the image before, pixels; 0 for none.

        Raises:
          UserError: where there is no such crop, or it is larger than the resized image.
        """
        if resize is None:
            resize = self.resize if crop is None else 0
        asked = dataclasses.replace(
            self, resize=_checked_side("resize", resize, within="[0, 16384]")
        )
        if crop in ("none", "tiles"):
            return dataclasses.replace(asked, parts="full" if crop == "none" else "tiles")
        if crop is not None:
            side = _checked_side("crop", crop, within=SIDE)
            asked = dataclasses.replace(asked, parts="crop", crop=side)
        if asked.in_crops and 0 < resize < asked.crop:
            raise UserError(
                f"--resize={resize} leaves images smaller than the crop of {asked.crop}"
            )
        return asked

    @property
    def in_crops(self) -> bool:
        """Tells whether every piece is a square of side `crop`."""
        return self.parts in ("crop", "five_crops")

    @property
    def least_side(self) -> int:
        """Returns the shorter side of what is scored, pixels; 0 where images decide it."""
        return self.crop if self.in_crops else self.resize

    @property
    def centre(self) -> "Protocol":
        """Returns the protocol of the centre crop, resized as here, whose evidence is shown."""
        return dataclasses.replace(self, parts="crop")

    @property
    def reduced(self) -> "Protocol":
        """Returns the protocol that is left for an image after `reduce`."""
        return dataclasses.replace(self, resize=0)

    def reduce(self, image: np.ndarray) -> np.ndarray:
        """Returns the part of an image, u8 [H, W, 3], that scoring looks at, resized."""
        if self.resize:
            image = resize_shorter(image, size=self.resize)
        return center_crop(image, size=self.crop) if self.parts == "crop" else image

    def __str__(self) -> str:
        """Names the protocol in a sentence for a user."""
        named = {
            "crop": f"centre crop of {self.crop} pixels",
            "five_crops": f"five crops of {self.crop} pixels",
            "full": "whole image",
            "tiles": "tiles",
        }[self.parts]
        return f"{named} after resizing the shorter side to {self.resize}" if self.resize else named


def _checked_side(name: str, value: object, *, within: str) -> int:
    try:
        side = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        side = -1
    if isinstance(value, bool) or side not in Range.of(within):
        others = ', "none" or "tiles"' if name == "crop" else ""
        raise UserError(
            f"{name}={show_value(value)}: give a number of pixels, {Range.of(within)}{others}"
        )
    return side


# What is scored where nothing says otherwise: as CNNDetection evaluates.
DEFAULT_PROTOCOL = Protocol()


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
    image = protocol.reduce(image)
    if protocol.parts == "crop":
        return [Piece(owner, image)]
    image = pad_to(image, size=protocol.crop if protocol.in_crops else smallest)
    height, width = image.shape[:2]
    boxes = _boxes(height, width, protocol)
    return [Piece(owner, image[box], share) for box, share in zip(boxes, areas(boxes), strict=True)]


def _boxes(height: int, width: int, protocol: Protocol) -> list[Box]:
    if protocol.parts == "five_crops":
        return five_boxes(height, width, size=protocol.crop)
    return whole_boxes(height, width) if protocol.parts == "full" else _tiles(height, width)


def whole_boxes(height: int, width: int) -> list[Box]:
    """Returns the whole image as one box, or its tiles where it is too large or too long."""
    if height * width <= MAX_WHOLE_PIXELS and max(height, width) <= MAX_WHOLE_SIDE:
        return [(slice(0, height), slice(0, width))]
    return _tiles(height, width)


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


def _tiles(height: int, width: int) -> list[Box]:
    return [(y, x) for y in _spans(height) for x in _spans(width)]


def _spans(length: int) -> list[slice]:
    """Cuts a length into the fewest parts of at most TILE.

    They are as equal as whole pixels allow.
    """
    edges = np.linspace(0, length, math.ceil(length / TILE) + 1).round().astype(int)
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]
