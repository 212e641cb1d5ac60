"""What happens to one image: a plan drawn from random numbers, then carried out.

Drawing and doing are apart so that a plan can be looked at, tested, and made without
random numbers for validation. Order, ranges and coins are CNNDetection's
(data/datasets.py): resize, blur, JPEG on the whole image, then crop, then flip. Rescaling, which
CNNDetection has not, comes before the blur.
"""

import dataclasses
from typing import Any

import numpy as np

from jaxdet.config import Augment
from jaxdet.data import ops
from jaxdet.data.opencv import cv2

# Frank and Holz (transforms.py:133-141) meant a range of deviations and gave one for each axis.
_VERTICAL_SIGMA = 3.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Describes the operations on one image; a number of None leaves its operation out.

    Attributes:
      factor: the image is scaled by it and back.
      sigma: blur by a deviation, pixels.
      taps: the kernel's side where the blur has one of its own: 3 for the blurs of three taps, any
        odd number for OpenCV's; None for one that follows from `sigma`.
      vertical: whether three taps blur down the columns alone.
      quality: JPEG, 1..100.
      codec: which JPEG encoder.
      noise: deviation of Gaussian noise, grey levels.
      noise_seed: of its pixels.
      corner: (top, left) of the crop as shares of the room there is, each in [0, 1);
        None for the centre.
      flip: whether to mirror.
    """

    factor: float | None = None
    sigma: float | None = None
    taps: int | None = None
    vertical: bool = False
    quality: int | None = None
    codec: str = "pil"
    noise: float | None = None
    noise_seed: int = 0
    corner: tuple[float, float] | None = None
    flip: bool = False


def draw_plan(
    augment: Augment, rng: np.random.Generator, batch_rng: np.random.Generator | None = None
) -> Plan:
    """Samples a training plan.

    As many numbers are drawn whatever the coins say, so none shifts another.

    Args:
      augment: the settings.
      rng: of the image.
      batch_rng: of its batch, equal for all of its images; what `scope="batch"` draws from.
    """
    shared_rng = rng if augment.scope == "image" or batch_rng is None else batch_rng
    own = rng.random(10)
    shared = own if shared_rng is rng else shared_rng.random(10)
    noise_seed = int(rng.integers(2**32))
    # Drawn last: other numbers are what they were before there was any rescaling.
    rescale_coin, factor = shared_rng.random(2)
    blur_coin, sigma, jpeg_coin, quality, codec, _, _, _, noise_coin, noise = shared
    _, _, _, _, _, top, left, flip_coin, _, _ = own
    blurred, compressed = _coins(augment, blur_coin, jpeg_coin)
    noisy = noise_coin < augment.noise_probability
    rescaled = rescale_coin < augment.rescale_probability
    return Plan(
        factor=float(np.interp(factor, (0, 1), augment.rescale_factor)) if rescaled else None,
        **(_blur(augment, sigma) if blurred else {}),
        quality=_quality(augment, quality) if compressed else None,
        codec=augment.jpeg_codecs[int(codec * len(augment.jpeg_codecs))],
        noise=float(np.interp(noise, (0, 1), augment.noise_sigma)) if noisy else None,
        noise_seed=noise_seed if noisy else 0,
        corner=(top, left) if augment.corner == "random" else None,
        flip=bool(flip_coin < augment.flip_probability),
    )


def _blur(augment: Augment, drawn: float) -> dict[str, Any]:
    """Returns the fields of a plan that blurs, from a number in [0, 1)."""
    sigma = float(np.interp(drawn, (0, 1), augment.blur_sigma))
    match augment.blur:
        case "kernel":
            kernels = augment.blur_kernels
            return {"taps": kernels[int(drawn * len(kernels))]}
        case "three_tap":
            return {"sigma": sigma, "taps": 3}
        case "three_tap_vertical":
            return {"sigma": _VERTICAL_SIGMA, "taps": 3, "vertical": True}
        case _:
            return {"sigma": sigma}


def _quality(augment: Augment, drawn: float) -> int:
    low, high = augment.jpeg_quality
    return min(augment.jpeg_quality_cap, low + int(drawn * (high - low + 1)))


def draw_validation_plan(augment: Augment, rng: np.random.Generator) -> Plan:
    """Samples a plan of CNNDetection's validation (train.py:17-33).

    The coins fall as in training, but sigma and quality are the middle of their ranges, the
    encoder is Pillow's and the crop is the centre.
    """
    blur_coin, jpeg_coin = rng.random(2)
    blurred, compressed = _coins(augment, blur_coin, jpeg_coin)
    return Plan(
        **(_blur(augment, 0.5) if blurred else {}),
        quality=sum(augment.jpeg_quality) // 2 if compressed else None,
    )


def _coins(augment: Augment, blur_coin: float, jpeg_coin: float) -> tuple[bool, bool]:
    blurred = bool(blur_coin < augment.blur_probability)
    if augment.coupling == "joint":
        return blurred, blurred
    return blurred, bool(jpeg_coin < augment.jpeg_probability)


def carry_out(
    plan: Plan,
    image: np.ndarray,
    *,
    out: np.ndarray,
    resize: int = 0,
    backend: str = "faithful",
) -> None:
    """Writes the image after the plan.

    Pixels stand in OpenCV's order until they are written: its JPEG takes no other, and the copy
    into the batch turns them on the way.

    Args:
      plan: what to do.
      image: u8 [H, W, 3] in BGR; left as it is.
      out: u8 [crop, crop, 3] in RGB, to write into.
      resize: shorter side, pixels; 0 for none.
      backend: "faithful" is the published arithmetic. "fast" blurs within one level of it and
        always compresses with OpenCV (the same bits as Pillow where both have the same libjpeg).

    Raises:
      ValueError: where a corner is drawn in an image that is smaller than the crop.
    """
    if resize:
        image = ops.resize_shorter(image, size=resize)
    if plan.factor is not None:
        image = ops.rescale(image, factor=plan.factor)
    if plan.quality is None:
        image = _blurred_crop(plan, image, len(out), backend)
    else:
        image = _compressed(plan, _blurred(plan, image, backend), backend)
        image = _crop(plan, image, len(out))
    if plan.noise is not None:
        # Each pixel's noise is its own: that of the crop is enough.
        rng = np.random.default_rng(plan.noise_seed)
        image = ops.add_noise(image, sigma=plan.noise, rng=rng)
    if plan.flip:
        image = ops.flip(image)
    # Where shapes differ, OpenCV would write elsewhere and leave this row black.
    assert image.shape == out.shape
    cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=out)


def _blurred(plan: Plan, image: np.ndarray, backend: str) -> np.ndarray:
    if plan.sigma is None:
        return image if plan.taps is None else ops.kernel_blur(image, size=plan.taps)
    if plan.taps is None:
        return ops.gaussian_blur(image, sigma=plan.sigma, backend=backend)
    sigma_x = 0.0 if plan.vertical else plan.sigma
    return ops.three_tap_blur(image, sigma_x=sigma_x, sigma_y=plan.sigma)


def _radius(plan: Plan) -> int:
    """Returns the radius of the blur's kernel, pixels; 0 where nothing is blurred."""
    if plan.taps is not None:
        return plan.taps // 2
    return 0 if plan.sigma is None else ops.blur_radius(plan.sigma)


def _compressed(plan: Plan, image: np.ndarray, backend: str) -> np.ndarray:
    assert plan.quality is not None
    codec = "cv2" if backend == "fast" else plan.codec
    return ops.jpeg(image, quality=plan.quality, codec=codec, order="bgr")


def _blurred_crop(plan: Plan, image: np.ndarray, crop: int, backend: str) -> np.ndarray:
    """Returns the crop of the blurred image; pixels that it does not depend on are not blurred."""
    radius = _radius(plan)
    if not radius or min(image.shape[:2]) < crop:
        return _crop(plan, _blurred(plan, image, backend), crop)
    top, left = _corner(plan, image.shape, crop)
    up, before = min(top, radius), min(left, radius)
    needed = image[top - up : top + crop + radius, left - before : left + crop + radius]
    return _blurred(plan, needed, backend)[up : up + crop, before : before + crop]


def _crop(plan: Plan, image: np.ndarray, crop: int) -> np.ndarray:
    if plan.corner is None:
        return ops.center_crop(image, size=crop)
    top, left = _corner(plan, image.shape, crop)
    return ops.crop_at(image, top=top, left=left, size=crop)


def _corner(plan: Plan, shape: tuple[int, ...], crop: int) -> tuple[int, int]:
    """Returns top and left of the crop in an image that holds it, pixels."""
    room_y, room_x = shape[0] - crop, shape[1] - crop
    if plan.corner is None:
        return ops.center_corner(shape[0], crop), ops.center_corner(shape[1], crop)
    if min(room_y, room_x) < 0:
        raise ValueError(f"{shape[1]}x{shape[0]} pixels are less than the crop of {crop}")
    return int(plan.corner[0] * (room_y + 1)), int(plan.corner[1] * (room_x + 1))
