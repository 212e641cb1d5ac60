"""Offers image operations: u8 [H, W, 3] in, the same out. Randomness stays outside."""

from jaxdet.data.ops.blur import blur_radius, gaussian_blur
from jaxdet.data.ops.codec import decode, decode_bgr, encode_jpeg, jpeg, swap_channels
from jaxdet.data.ops.geometry import (
    center_corner,
    center_crop,
    crop_at,
    flip,
    pad_to,
    rescale,
    resize_shorter,
    scale,
    shrink_longer,
)
from jaxdet.data.ops.kernels import kernel_blur, three_tap_blur
from jaxdet.data.ops.noise import add_noise
from jaxdet.data.ops.opening import open_image
from jaxdet.data.ops.sharpness import laplacian_variance

__all__ = [
    "add_noise",
    "blur_radius",
    "center_corner",
    "center_crop",
    "crop_at",
    "decode",
    "decode_bgr",
    "encode_jpeg",
    "flip",
    "gaussian_blur",
    "jpeg",
    "kernel_blur",
    "laplacian_variance",
    "open_image",
    "pad_to",
    "rescale",
    "resize_shorter",
    "scale",
    "shrink_longer",
    "swap_channels",
    "three_tap_blur",
]
