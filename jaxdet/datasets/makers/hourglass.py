"""Defines the network of the deep image prior (Ulyanov et al., https://arxiv.org/abs/1711.10925).

Their default: five levels of 128 channels, skip connections of 4, strided convolutions down,
resizing up, reflected borders, leaky ReLU. One image at a time: a map is f32 [H, W, C], and many
images are many networks, mapped over (`jax.vmap`). So a convolution is written as a product of
matrices: mapped over its weights it stays one, where a convolution would become one of as many
groups as images, which compilers turn into slow code.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

NOISE = 32  # channels of the input
UPSAMPLINGS = ("bilinear", "nearest")
_SLOPE = 0.2


class Conv(nn.Module):
    """Convolves with reflected borders and an odd kernel size."""

    channels: int
    kernel: int
    strides: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Convolves f32 [H, W, C] to f32 [H / strides, W / strides, channels].

        `strides` divides both sides.
        """
        fan_in = self.kernel**2 * x.shape[-1]
        # torch's default, as the source leaves it: uniform up to 1 / sqrt(fan in), for both.
        # Output channels first: of many networks XLA's CPU compiler then forms the gradient by its
        # fast product, which it does not in the other order (seen in its output, JAX 0.10.2).
        bound = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform", -1, -2)
        weights = self.param("kernel", bound, (self.channels, fan_in))
        bias = self.param("bias", _uniform(fan_in**-0.5), (self.channels,))
        around = neighbours(x, kernel=self.kernel, strides=self.strides, border="reflect")
        return around @ weights.T + bias


class Norm(nn.Module):
    """Normalises by the map itself, with gain and offset: the source's batch is one image."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalises each channel: f32 [H, W, C] -> the same."""
        gain = self.param("scale", nn.initializers.ones, x.shape[-1:])
        offset = self.param("bias", nn.initializers.zeros, x.shape[-1:])
        mean, variance = x.mean(axis=(0, 1)), x.var(axis=(0, 1))
        return (x - mean) * (gain * jax.lax.rsqrt(variance + 1e-5)) + offset


class Hourglass(nn.Module):
    """Turns noise into an image; every level has half the side of the one before."""

    width: int = 128
    skip: int = 4
    levels: int = 5
    upsampling: str = "bilinear"  # one of UPSAMPLINGS

    @nn.compact
    def __call__(self, noise: jax.Array) -> jax.Array:
        """Generates an image: f32 [S, S, NOISE] -> f32 [S, S, 3] in 0..1.

        S is a multiple of 2^levels.
        """
        x, skips = noise, []
        for _ in range(self.levels):
            skips.append(_layer(x, channels=self.skip, kernel=1))
            x = _layer(x, channels=self.width, kernel=3, strides=2)
            x = _layer(x, channels=self.width, kernel=3)
        for skip in reversed(skips):
            x = Norm()(jnp.concatenate([skip, self.double(x)], axis=-1))
            x = _layer(x, channels=self.width, kernel=3)
            x = _layer(x, channels=self.width, kernel=1)
        return nn.sigmoid(Conv(3, 1)(x))

    def double(self, x: jax.Array) -> jax.Array:
        """Doubles both sides: f32 [H, W, C] -> f32 [2H, 2W, C]."""
        h, w, c = x.shape
        if self.upsampling == "nearest":
            return repeat_pixels(x)
        return jax.image.resize(x, (2 * h, 2 * w, c), "bilinear")


def _layer(x: jax.Array, *, channels: int, kernel: int, strides: int = 1) -> jax.Array:
    return nn.leaky_relu(Norm()(Conv(channels, kernel, strides)(x)), _SLOPE)


def repeat_pixels(x: jax.Array) -> jax.Array:
    """Doubles both sides by nearest neighbours: f32 [H, W, C] -> f32 [2H, 2W, C]."""
    return x.repeat(2, axis=0).repeat(2, axis=1)


def neighbours(x: jax.Array, *, kernel: int, strides: int = 1, border: str) -> jax.Array:
    """Returns the pixels under a kernel at each place, f32 [H', W', kernel * kernel * C].

    Args:
      x: f32 [H, W, C].
      kernel: pixels a side, odd.
      strides: between places.
      border: what lies beyond the map, a mode of `jnp.pad`: "reflect", or "constant" for zeros.
    """
    if kernel == 1:
        return x[::strides, ::strides]
    reach, (h, w, _) = kernel // 2, x.shape
    padded = jnp.pad(x, ((reach, reach), (reach, reach), (0, 0)), mode=border)
    shifts = [(dy, dx) for dy in range(kernel) for dx in range(kernel)]
    shifted = [padded[dy : dy + h : strides, dx : dx + w : strides] for dy, dx in shifts]
    return jnp.concatenate(shifted, axis=-1)


def _uniform(bound: float) -> Any:
    def init(key: jax.Array, shape: Any, dtype: Any = jnp.float32) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init
