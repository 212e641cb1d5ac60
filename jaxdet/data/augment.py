"""What happens to one image: a plan drawn from random numbers, then carried out.

Drawing and doing are apart so that a plan can be looked at, tested, and made without
random numbers for validation. Order, ranges and coins are CNNDetection's
(data/datasets.py): resize, blur, JPEG on the whole image, then crop, then flip.
"""

import dataclasses

import numpy as np

from jaxdet.config import Augment
from jaxdet.data import ops


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """The operations on one image. A sigma or quality of None leaves the operation out.

    Attributes:
      sigma: blur, pixels.
      quality: JPEG, 1..100.
      codec: which JPEG encoder.
      corner: (top, left) of the crop as shares of the room there is, each in [0, 1);
        None for the centre.
      flip: whether to mirror.
    """

    sigma: float | None = None
    quality: int | None = None
    codec: str = "pil"
    corner: tuple[float, float] | None = None
    flip: bool = False


def draw_plan(augment: Augment, rng: np.random.Generator) -> Plan:
    """A training plan. Eight numbers are drawn whatever the coins say, so none shifts another."""
    blur_coin, sigma, jpeg_coin, quality, codec, top, left, flip_coin = rng.random(8)
    blurred, compressed = _coins(augment, blur_coin, jpeg_coin)
    low, high = augment.jpeg_quality
    return Plan(
        sigma=float(np.interp(sigma, (0, 1), augment.blur_sigma)) if blurred else None,
        quality=low + int(quality * (high - low + 1)) if compressed else None,
        codec=augment.jpeg_codecs[int(codec * len(augment.jpeg_codecs))],
        corner=(top, left),
        flip=flip_coin < augment.flip_probability,
    )


def draw_validation_plan(augment: Augment, rng: np.random.Generator) -> Plan:
    """A plan of CNNDetection's validation (train.py:17-33).

    The coins fall as in training, but sigma and quality are the middle of their ranges, the
    encoder is Pillow's and the crop is the centre.
    """
    blur_coin, jpeg_coin = rng.random(2)
    blurred, compressed = _coins(augment, blur_coin, jpeg_coin)
    return Plan(
        sigma=sum(augment.blur_sigma) / 2 if blurred else None,
        quality=sum(augment.jpeg_quality) // 2 if compressed else None,
    )


def _coins(augment: Augment, blur_coin: float, jpeg_coin: float) -> tuple[bool, bool]:
    blurred = bool(blur_coin < augment.blur_probability)
    if augment.coupling == "joint":
        return blurred, blurred
    return blurred, bool(jpeg_coin < augment.jpeg_probability)


def carry_out(
    plan: Plan, image: np.ndarray, *, crop: int, resize: int = 0, blur_backend: str = "faithful"
) -> np.ndarray:
    """The image after the plan: u8 [H, W, 3] to u8 [crop, crop, 3].

    Raises:
      ValueError: where a corner is drawn in an image that is smaller than the crop.
    """
    if resize:
        image = ops.resize_shorter(image, size=resize)
    if plan.sigma is not None:
        image = ops.gaussian_blur(image, sigma=plan.sigma, backend=blur_backend)
    if plan.quality is not None:
        image = ops.jpeg(image, quality=plan.quality, codec=plan.codec)
    image = _crop(plan, image, crop)
    return ops.flip(image) if plan.flip else image


def _crop(plan: Plan, image: np.ndarray, crop: int) -> np.ndarray:
    if plan.corner is None:
        return ops.center_crop(image, size=crop)
    room_y, room_x = image.shape[0] - crop, image.shape[1] - crop
    if min(room_y, room_x) < 0:
        raise ValueError(
            f"{image.shape[1]}x{image.shape[0]} pixels are less than the crop of {crop}"
        )
    top, left = int(plan.corner[0] * (room_y + 1)), int(plan.corner[1] * (room_x + 1))
    return ops.crop_at(image, top=top, left=left, size=crop)
