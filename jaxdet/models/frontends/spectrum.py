"""Computes the Fourier spectrum of each channel, scaled as by Zhang et al. for their classifier."""

import jax
import jax.numpy as jnp

# Zhang et al., WIFS 2019 (AutoGAN, GAN_Detection_Train.py:205-237).
_LOG_FLOOR = 1e-3
_PERCENTILES = (5.0, 95.0)


def scaled_spectrum(image: jax.Array) -> jax.Array:
    """Scales log magnitudes to -1 at their 5th and 1 at their 95th percentile, and clips them.

    Float [B, H, W, C] in 0..1 to the same shape. Percentiles are those of each channel of each
    image; frequency 0 is the first row and column. A channel of one magnitude alone gives -1.
    """
    power = jnp.log(jnp.abs(jnp.fft.fft2(image, axes=(1, 2))) + _LOG_FLOOR)
    low, high = jnp.percentile(power, jnp.array(_PERCENTILES), axis=(1, 2), keepdims=True)
    scaled = (power - low) / jnp.where(high > low, high - low, 1.0)
    return jnp.clip(2 * scaled - 1, -1.0, 1.0)
