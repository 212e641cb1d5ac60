"""Operations out of a pool, each none, one or two times, in a random order.

As Community Forensics trains (Park and Owens, CVPR 2025, and their code, 5ec815f). What their code
leaves to torchvision is as torchvision's default here: nearest pixels, black, the ratios of a
resized crop and of a cut-out. Assumed: how far an image is padded.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image

from jaxdet.config.augment import Augment
from jaxdet.data.augment.crop import Crop
from jaxdet.data.augment.flip import Flip
from jaxdet.data.augment.jpeg import Jpeg
from jaxdet.data.augment.operation import Operation, apply_each
from jaxdet.data.augment.resize import Resize
from jaxdet.data.ops.affine import affine
from jaxdet.data.order import Streams

_MOST_TIMES = 2
_LARGEST = 1.228  # crops: the shorter side of a resized image
_DEGREES, _SHIFT, _PADDING = 15.0, 0.1, 0.1
_KEPT_AREA, _ERASED_AREA, _ERASED = (0.9, 1.0), (0.02, 0.06), 0.5
_RATIO, _ERASED_RATIO = (3 / 4, 4 / 3), (0.3, 3.3)
_KERNELS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")


@dataclasses.dataclass(frozen=True)
class Pool:
    """Does what was drawn from the pool, one after the other."""

    operations: tuple[Operation, ...]
    margin = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the image after them."""
        return apply_each(self.operations, image)


@dataclasses.dataclass(frozen=True)
class Upturn:
    """Mirrors an image top to bottom."""

    margin = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the mirrored image."""
        return np.ascontiguousarray(image[::-1])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Move:
    """Turns, shears or moves an image; see `affine`."""

    turn: float = 0.0
    shear: tuple[float, float] = (0.0, 0.0)
    shift: tuple[float, float] = (0.0, 0.0)
    margin = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the image after it."""
        return affine(image, turn=self.turn, shear=self.shear, shift=self.shift)


@dataclasses.dataclass(frozen=True)
class Pad:
    """Puts black around an image: left, top, right and bottom, as fractions of its sides."""

    borders: tuple[float, float, float, float]
    margin = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the larger image."""
        height, width = image.shape[:2]
        left, top, right, bottom = (
            int(part * side) for part, side in zip(self.borders, (width, height) * 2, strict=True)
        )
        return np.pad(image, ((top, bottom), (left, right), (0, 0)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Box:
    """Holds a box of an image.

    Attributes:
      area: of the image's, as a fraction.
      ratio: of width to height.
      corner: (top, left) as fractions of where it can begin, each in [0, 1).
    """

    area: float
    ratio: float
    corner: tuple[float, float]

    def within(self, image: np.ndarray) -> tuple[slice, slice]:
        """Returns its rows and columns in an image, u8 [H, W, 3]; what sticks out is cut off."""
        height, width = image.shape[:2]
        area = self.area * height * width
        sides = (math.sqrt(area / self.ratio), math.sqrt(area * self.ratio))
        rows, columns = (
            min(max(1, round(side)), most)
            for side, most in zip(sides, (height, width), strict=True)
        )
        top, left = (
            int(part * (most - side + 1))
            for part, most, side in zip(self.corner, (height, width), (rows, columns), strict=True)
        )
        return slice(top, top + rows), slice(left, left + columns)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResizedCrop:
    """Cuts a box out of an image and resizes it to a square."""

    box: Box
    side: int
    margin = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the square, u8 [side, side, 3], by Pillow's antialiased bilinear filter."""
        cut = np.ascontiguousarray(image[self.box.within(image)])
        size = (self.side, self.side)
        return np.asarray(Image.fromarray(cut).resize(size, Image.Resampling.BILINEAR))


@dataclasses.dataclass(frozen=True)
class CutOut:
    """Blackens a box of an image."""

    box: Box
    margin = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the image without what is in the box."""
        image = image.copy()
        image[self.box.within(image)] = 0
        return image


def sample(augment: Augment, streams: Streams) -> Pool | None:
    """Returns what is drawn of the pool; None where that is nothing.

    Each member has a stream of its own, from which its place in the order is drawn as well.
    """
    drawn: list[tuple[float, Operation]] = []
    for name, draw in _DRAWS.items():
        rng = streams.shared(f"pool {name}").fresh()
        for _ in range(rng.integers(_MOST_TIMES + 1)):
            place, operation = rng.random(), draw(augment, rng)
            if operation is not None:
                drawn.append((place, operation))
    ordered = sorted(drawn, key=lambda one: one[0])
    return Pool(tuple(operation for _, operation in ordered)) if ordered else None


def _box(rng: np.random.Generator, area: tuple[float, float], ratio: tuple[float, float]) -> Box:
    log = rng.uniform(math.log(ratio[0]), math.log(ratio[1]))
    return Box(area=rng.uniform(*area), ratio=math.exp(log), corner=(rng.random(), rng.random()))


def _jpeg(augment: Augment, rng: np.random.Generator) -> Operation:
    low, high = augment.jpeg_quality
    return Jpeg(quality=int(rng.integers(low, high + 1)))


def _resize(augment: Augment, rng: np.random.Generator) -> Operation:
    side = int(rng.integers(augment.crop + 1, int(_LARGEST * augment.crop) + 1))
    return Resize(side, _KERNELS[rng.integers(len(_KERNELS))])


def _crop(augment: Augment, rng: np.random.Generator) -> Operation:
    return Crop(side=augment.crop, corner=(rng.random(), rng.random()), pads=True)


def _resized_crop(augment: Augment, rng: np.random.Generator) -> Operation:
    return ResizedCrop(box=_box(rng, _KEPT_AREA, _RATIO), side=augment.crop)


def _flip(_: Augment, rng: np.random.Generator) -> Operation | None:
    return Flip() if rng.random() < 0.5 else None


def _upturn(_: Augment, rng: np.random.Generator) -> Operation | None:
    return Upturn() if rng.random() < 0.5 else None


def _rotate(_: Augment, rng: np.random.Generator) -> Operation:
    return Move(turn=rng.uniform(-_DEGREES, _DEGREES))


def _shear(_: Augment, rng: np.random.Generator) -> Operation:
    return Move(shear=(rng.uniform(-_DEGREES, _DEGREES), 0.0))


def _translate(_: Augment, rng: np.random.Generator) -> Operation:
    return Move(shift=(rng.uniform(-_SHIFT, _SHIFT), rng.uniform(-_SHIFT, _SHIFT)))


def _pad(_: Augment, rng: np.random.Generator) -> Operation:
    left, top, right, bottom = (float(part) for part in rng.uniform(0, _PADDING, 4))
    return Pad((left, top, right, bottom))


def _cut_out(_: Augment, rng: np.random.Generator) -> Operation | None:
    box = _box(rng, _ERASED_AREA, _ERASED_RATIO)
    return CutOut(box) if rng.random() < _ERASED else None


_Draw = Callable[[Augment, np.random.Generator], Operation | None]
_DRAWS: Mapping[str, _Draw] = MappingProxyType(
    {
        "jpeg": _jpeg,
        "resize": _resize,
        "crop": _crop,
        "resized_crop": _resized_crop,
        "flip": _flip,
        "vertical_flip": _upturn,
        "rotation": _rotate,
        "shear": _shear,
        "translation": _translate,
        "padding": _pad,
        "cut_out": _cut_out,
    }
)
