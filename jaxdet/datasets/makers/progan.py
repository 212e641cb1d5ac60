"""Builds the generator of progressive GANs (Karras et al., ICLR 2018, arXiv 1710.10196, table 2).

At its full size, without fading: Wang et al. (A.4) use it as a deep image prior. One image at a
time, as `hourglass.py` says, with convolutions as products of matrices.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxdet.datasets.makers.hourglass import neighbours, repeat_pixels

START = 4  # pixels a side of the first map; each block doubles it
_SLOPE = 0.2
_HE = math.sqrt(2)  # gain of layers that a leaky ReLU follows
# Widths fall by half with each block once they are this much of the first one, divided by 2^block.
_WIDEST = 16


class Generator(nn.Module):
    """Draws an image from a latent vector."""

    size: int = 1024  # pixels a side: 4, doubled some times
    width: int = 512  # channels of the first maps, and numbers of the latent vector

    @nn.compact
    def __call__(self, latent: jax.Array) -> jax.Array:
        """Returns f32 [size, size, 3] of f32 [width], in 0..1 once it is trained."""
        # A dense layer in the place of a convolution over one pixel, with the source's gain.
        flat = Equalised(START * START * self.width, gain=_HE / START, bias=False)(_scaled(latent))
        x = flat.reshape(START, START, self.width)
        bias = self.param("bias", nn.initializers.zeros, (self.width,))
        x = _conv(_activated(x + bias), channels=self.width)
        for block in range(1, (self.size // START).bit_length()):
            channels = max(1, min(_WIDEST * self.width >> (block + 1), self.width))
            x = _conv(repeat_pixels(x), channels=channels)
            x = _conv(x, channels=channels)
        return (Equalised(3, gain=1.0)(x) + 1) / 2


class Equalised(nn.Module):
    """Multiplies by weights that start at N(0, 1) and are scaled where they are used."""

    channels: int
    gain: float
    bias: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns f32 [..., channels] of f32 [..., C]."""
        shape = (self.channels, x.shape[-1])
        kernel = self.param("kernel", nn.initializers.normal(1.0), shape)
        y: Any = x @ (kernel.T * (self.gain / math.sqrt(x.shape[-1])))
        return y + self.param("bias", nn.initializers.zeros, (self.channels,)) if self.bias else y


def _conv(x: jax.Array, *, channels: int) -> jax.Array:
    around = neighbours(x, kernel=3, border="constant")
    return _activated(Equalised(channels, gain=_HE)(around))


def _activated(x: jax.Array) -> jax.Array:
    return _scaled(nn.leaky_relu(x, _SLOPE))


def _scaled(x: jax.Array) -> jax.Array:
    """Brings the vector of each pixel to a mean square of 1."""
    return x * jax.lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-8)
