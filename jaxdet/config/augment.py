"""Defines the options of `augment`: what happens to a training image."""

import dataclasses

from jaxdet.config.fields import DDA, FRANK, WANG, XUAN, ZHANG, option
from jaxdet.ranges import SIDE

KERNELS = ("bilinear", "bicubic")
# What happens to a training image unless the config says otherwise, in the published order: a
# change here is one of every recipe.
USUAL_OPERATIONS = ("resize", "rescale", "blur", "jpeg", "crop", "noise", "flip")
# What augment.operations may name: modules of jaxdet/data/augment, each with `sample`.
OPERATIONS = (*USUAL_OPERATIONS, "pool")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augment:
    """Lists what happens to a training image: resize, rescale, blur, JPEG, crop, noise, flip."""

    operations: tuple[str, ...] = option(
        USUAL_OPERATIONS,
        "what happens, in this order; `package.module:Name` is an object of one's own with "
        "`apply(image, rng)`, u8 [H, W, 3] in RGB, "
        "which evaluations and published validation leave out",
        source=f"the order of resize, blur, jpeg, crop and flip: {WANG}",
    )
    views: tuple[str, ...] = option(
        (),
        "the ways in which an image is seen, another one each epoch: clean, as in validation; "
        "jpeg:QUALITY, blur:SIGMA or another of `evaluation.chains`, on the whole image; "
        "augmented:K, K draws of all that is set here. Empty: a new draw each epoch, without end",
    )

    resize: int = option(
        0,
        "shorter side after resizing by augment.resize_kernel; 0: no resizing",
        unit="pixels",
        within="[0, 16384]",
    )
    resize_kernel: str = option(
        "bilinear", "by which kernel of Pillow's, antialiased", choices=KERNELS,
        source="bilinear: torchvision; bicubic: CLIP, DINOv2, DINOv3, SigLIP",
    )  # fmt: skip
    decode: str = option(
        "whole",
        "whole: every image at its own size; scaled: a training JPEG at a half, a quarter or an "
        "eighth of it, by libjpeg, where `augment.resize` leaves fewer pixels anyway: faster, "
        "other pixels (docs/data.md)",
        choices=("whole", "scaled"),
    )
    rescale_probability: float = option(
        0.0,
        "chance that the image is scaled by a random factor and back to its size",
        source=f"Zhang et al.'s rows of {WANG}, 4.4; what is drawn is assumed",
        within="[0, 1]",
    )
    rescale_factor: tuple[float, float] = option(
        (0.5, 1.0),
        "range of that factor, Pillow's antialiased bilinear",
        source="assumed",
        within="[0.01, 2]",
    )
    blur_probability: float = option(
        0.0, "chance of a Gaussian blur", source=f"{WANG}, 4.1", within="[0, 1]"
    )
    blur: str = option(
        "gaussian",
        "gaussian: kernel to four deviations; three_tap: torchvision's of three taps, far weaker; "
        "three_tap_vertical: the same at deviation 3 down the columns alone, nothing drawn; "
        "kernel: OpenCV's by the side of its kernel, out of blur_kernels",
        source=f"gaussian: {WANG}; three_tap, three_tap_vertical (the joint rows): {FRANK}; "
        f"kernel: {XUAN}",
        choices=("gaussian", "three_tap", "three_tap_vertical", "kernel"),
    )
    blur_kernels: tuple[int, ...] = option(
        (1, 3, 5, 7),
        "sides of the kernel to draw from",
        unit="pixels",
        source=XUAN,
        within="[1, 255]",
    )
    blur_sigma: tuple[float, float] = option(
        (0.0, 3.0),
        "range of the blur's standard deviation",
        unit="pixels",
        source=f"{WANG}, 4.1",
        within="[0, 100]",
    )
    backend: str = option(
        "faithful",
        "faithful: the published arithmetic bit by bit; fast: blur in one pass, at most one level "
        "from it, and JPEG by OpenCV alone",
        choices=("faithful", "fast"),
    )
    jpeg_probability: float = option(
        0.0, "chance of JPEG compression", source=f"{WANG}, 4.1", within="[0, 1]"
    )
    jpeg_quality: tuple[int, int] = option(
        (30, 100),
        "range of the JPEG quality, both ends included",
        source=f"{WANG}, 4.1",
        within="[1, 100]",
    )
    jpeg_quality_cap: int = option(
        100,
        "a higher quality that was drawn becomes this one",
        source=f"95: {FRANK}",
        within="[1, 100]",
    )
    jpeg_codecs: tuple[str, ...] = option(
        ("cv2", "pil"), "encoders to draw from: cv2, pil", source=f"{WANG}, 4.1"
    )
    noise_probability: float = option(
        0.0,
        "chance of Gaussian noise, behind JPEG and crop unless `augment.operations` says otherwise",
        source=XUAN,
        within="[0, 1]",
    )
    noise_sigma: tuple[float, float] = option(
        (0.0, 5.0),
        "range of the noise's standard deviation",
        unit="grey levels",
        source=XUAN,
        within="[0, 255]",
    )
    scope: str = option(
        "image",
        "what rescaling, blur, JPEG and noise are drawn for: each image, or once for all of a "
        "batch",
        source=f"image: {WANG}; batch: {XUAN}",
        choices=("image", "batch"),
    )
    coupling: str = option(
        "independent",
        "blur and JPEG by two coins, or both by one coin (blur_probability)",
        source=f"independent: {WANG}; joint: {FRANK}",
        choices=("independent", "joint"),
    )
    crop: int = option(
        224,
        "side of the square crop: random in training, else centre",
        unit="pixels",
        source=WANG,
        within=SIDE,
    )
    small_images: str = option(
        "refuse", "images smaller than the random crop; pad: with black, at a random place",
        source=f"pad: {DDA}", choices=("refuse", "pad"),
    )  # fmt: skip
    corner: str = option(
        "random",
        "where the crop of training lies",
        source=f"centre: {ZHANG}",
        choices=("random", "centre"),
    )
    flip_probability: float = option(
        0.5, "chance of a horizontal flip", source=WANG, within="[0, 1]"
    )
