"""Computes the two-dimensional cosine transform of each channel, as products of matrices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import scipy.fft

# Frank et al., ICML 2020 (GANDCTAnalysis, src/math.py).
_LOG_FLOOR = 1e-12


def dct2(image: jax.Array) -> jax.Array:
    """Returns the orthonormal DCT-II over both axes of each channel, in the input's shape.

    The input is float [B, H, W, C]. The first row and column are frequency 0;
    `scipy.fft.dctn(norm="ortho")` of each channel.
    """
    rows, columns = (jnp.asarray(_matrix(side), image.dtype) for side in image.shape[1:3])
    # The default precision of an accelerator would round to bfloat16 or TF32.
    return jnp.einsum("uh,bhwc,vw->buvc", rows, image, columns, precision=jax.lax.Precision.HIGHEST)


def log_dct2(image: jax.Array) -> jax.Array:
    """Returns log(|dct2| + 1e-12), as Frank et al. 2020 scale coefficients."""
    return jnp.log(jnp.abs(dct2(image)) + _LOG_FLOOR)


@functools.cache
def _matrix(side: int) -> np.ndarray:
    """Returns the matrix D, f64 [side, side], with dct(x) = D @ x."""
    return scipy.fft.dct(np.eye(side), axis=0, norm="ortho")
