"""Prepares uint8 pixels for the network: functions of u8 [B, H, W, 3] and a dtype."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxdet.models.frontends.cooccurrence import cooccurrence
from jaxdet.models.frontends.dct import dct2, log_dct2
from jaxdet.models.frontends.residuals import neighbouring_pixels, third_differences
from jaxdet.models.frontends.spectrum import scaled_spectrum
from jaxdet.models.normalise import normalise


def levels(image: jax.Array, dtype: Any) -> jax.Array:
    """Returns 0..255 as they are; a network with a tower normalises them itself."""
    return image.astype(dtype)


def symmetric(image: jax.Array, dtype: Any) -> jax.Array:
    """Scales pixels to -1..1."""
    return image.astype(dtype) / 127.5 - 1


def symmetric_bgr(image: jax.Array, dtype: Any) -> jax.Array:
    """Scales pixels to -1..1, blue first, as Zhang et al. read images (AutoGAN, by OpenCV)."""
    return symmetric(image, dtype)[..., ::-1]


def spectrum_bgr(image: jax.Array, dtype: Any) -> jax.Array:
    """Returns the scaled spectra, blue's first, of pixels in 0..1; Zhang et al."""
    return scaled_spectrum(image[..., ::-1].astype(dtype) / 255)


def dct_of_levels(image: jax.Array, dtype: Any) -> jax.Array:
    """Returns the cosine transform of pixels in 0..255; Frank and Holz (models.py)."""
    return dct2(image.astype(dtype))


def log_dct_of_levels(image: jax.Array, dtype: Any) -> jax.Array:
    """Returns the log magnitudes of the cosine transform of 0..255; Frank et al., ICML 2020."""
    return log_dct2(image.astype(dtype))


def pairs_of_levels(image: jax.Array, dtype: Any) -> jax.Array:
    """Returns co-occurrence matrices times 4096, so that photographs have a mean square of about 1.

    Nataraj et al. leave the scale open. Times 65536 their mean would be 1, but the root of their
    mean square about 16, since nearly all pairs stand along the diagonal; a short training from
    random weights may then end far from what it can reach (docs/evidence/systems.md).
    """
    return cooccurrence(image).astype(dtype) * 4096


def npr(image: jax.Array, dtype: Any) -> jax.Array:
    """Returns the residual of neighbouring pixels of normalised ones; Tan et al., CVPR 2024."""
    return neighbouring_pixels(normalise(image, dtype))


def third_order(image: jax.Array, dtype: Any) -> jax.Array:
    """Returns third differences of 0..255 over 32, float [B, H, W, 6]; Cozzolino et al. 2018.

    The image's edge is repeated by three rows and columns, so that sides stay multiples of 16.
    """
    edges = ((0, 0), (1, 2), (1, 2), (0, 0))
    return third_differences(jnp.pad(image.astype(dtype), edges, mode="edge"))
