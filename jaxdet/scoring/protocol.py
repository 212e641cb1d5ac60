"""Defines which part of an image is scored, and how a user asks for another."""

import dataclasses
import operator

import numpy as np

from jaxdet.config.augment import KERNELS
from jaxdet.config.evaluation import Evaluation
from jaxdet.data.ops import center_crop, resize_shorter
from jaxdet.errors import UserError
from jaxdet.ranges import SIDE, Range, show_value

# Side of the centre crop, "none" for whole images, or "tiles": what a user may ask for.
Crop = int | str


@dataclasses.dataclass(frozen=True)
class Protocol:
    """States what of an image is scored.

    Attributes:
      parts: "crop" (the centre), "five_crops" (the corners too), "ten_crops" (also mirrored),
        "full" (the whole image, in tiles where it is too large) or "tiles".
      crop: side of the crops, pixels; smaller images are padded with black. Of "full" and "tiles"
        the side of the centre crop whose evidence is shown.
      resize: shorter side that the image is resized to before, pixels; 0 for none.
      kernel: of Pillow's, antialiased, by which: "bilinear" or "bicubic".

    Raises:
      UserError: where there is no such kernel.
    """

    parts: str = "crop"
    crop: int = 224
    resize: int = 0
    kernel: str = "bilinear"

    def __post_init__(self) -> None:
        if self.kernel not in KERNELS:
            raise UserError(f"kernel={show_value(self.kernel)} is not one of {', '.join(KERNELS)}")

    @classmethod
    def of_run(cls, evaluation: Evaluation) -> "Protocol":
        """Returns the protocol by which a run is measured: the first of those evaluated."""
        return cls.named(evaluation.protocols[0], evaluation)

    @classmethod
    def named(cls, name: str, evaluation: Evaluation) -> "Protocol":
        """Returns one of `config.evaluation.PROTOCOLS`, at the sides of a `resolved_evaluation`."""
        if name == "resize":
            kernel = evaluation.resize_kernel
            return cls("crop", evaluation.crop, evaluation.resize, kernel)
        return cls(name, evaluation.crop)

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
        """Returns whether every piece is a square of side `crop`."""
        return self.crops > 0

    @property
    def crops(self) -> int:
        """Returns the number of crops of an image; 0 where images decide it."""
        return {"crop": 1, "five_crops": 5, "ten_crops": 10}.get(self.parts, 0)

    @property
    def least_side(self) -> int:
        """Returns the shorter side of what is scored, pixels; 0 where images decide it."""
        return self.crop if self.in_crops else self.resize

    def padded_side(self, smallest: int) -> int:
        """Returns the side that images are padded to; whole ones, and tiles, to `smallest`."""
        return self.crop if self.in_crops else smallest

    @property
    def centre(self) -> "Protocol":
        """Returns the protocol of the centre crop, resized as here, whose evidence is shown."""
        return dataclasses.replace(self, parts="crop")

    @property
    def reduced(self) -> "Protocol":
        """Returns the protocol that is left for an image after `reduce`."""
        return dataclasses.replace(self, resize=0)

    @property
    def reduces(self) -> bool:
        """Returns whether `reduce` changes images."""
        return bool(self.resize) or self.parts == "crop"

    def reduce(self, image: np.ndarray) -> np.ndarray:
        """Returns the part of an image, u8 [H, W, 3], that scoring looks at, resized."""
        if self.resize:
            image = resize_shorter(image, size=self.resize, kernel=self.kernel)
        return center_crop(image, size=self.crop) if self.parts == "crop" else image

    def __str__(self) -> str:
        """Names the protocol in a sentence for a user."""
        named = {
            "crop": f"centre crop of {self.crop} pixels",
            "five_crops": f"five crops of {self.crop} pixels",
            "ten_crops": f"ten crops of {self.crop} pixels, five of them mirrored,",
            "full": "whole image",
            "tiles": "tiles",
        }[self.parts]
        if not self.resize:
            return named
        how = "" if self.kernel == "bilinear" else f" by the {self.kernel} kernel"
        return f"{named} after resizing the shorter side to {self.resize}{how}"


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
