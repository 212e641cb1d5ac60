"""Defines small convolutional autoencoders whose decoders differ in how they double a feature map.

Upsampling is what leaves a generator's trace in its images (checkerboards, repeated spectra:
https://distill.pub/2016/deconv-checkerboard/), so it is the one thing that varies here. Nothing
runs around the bottleneck, and the last layer is an upsampling too, as in DCGAN: a convolution
behind it would learn to wipe the trace off.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import jax
from flax import linen as nn

MULTIPLE = 4  # two halvings: sides must be multiples of this to come out at their own size


def get_upsampler(name: str) -> Callable[[int], nn.Module]:
    """Returns the factory `channels -> module` of an upsampling; KeyError names the known ones."""
    if name not in UPSAMPLERS:
        raise KeyError(f"unknown upsampling {name!r}; known: {', '.join(UPSAMPLERS)}")
    return UPSAMPLERS[name]


def transposed4(channels: int) -> nn.Module:
    """Returns a transposed convolution 4x4, stride 2, as in DCGAN.

    The stride divides the kernel.
    """
    return nn.ConvTranspose(channels, (4, 4), strides=(2, 2))


def transposed3(channels: int) -> nn.Module:
    """Returns a transposed convolution 3x3, stride 2.

    The stride does not divide the kernel.
    """
    return nn.ConvTranspose(channels, (3, 3), strides=(2, 2))


def nearest(channels: int) -> nn.Module:
    """Returns a layer that repeats each pixel 2x2, then convolves 3x3, as in ProGAN."""
    return ResizeConv(channels, method="nearest")


def bilinear(channels: int) -> nn.Module:
    """Returns a layer that resizes bilinearly to twice the size, then convolves 3x3."""
    return ResizeConv(channels, method="bilinear")


class ResizeConv(nn.Module):
    """Resizes to twice the size, then convolves 3x3."""

    channels: int
    method: str  # of jax.image.resize

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Doubles both sides: f32 [B, H, W, C] -> f32 [B, 2H, 2W, channels]."""
        b, h, w, c = x.shape
        x = jax.image.resize(x, (b, 2 * h, 2 * w, c), self.method)
        return nn.Conv(self.channels, (3, 3))(x)


class PixelShuffle(nn.Module):
    """Convolves 3x3 to four times the channels, laid out as 2x2 pixels.

    Source: https://arxiv.org/abs/1609.05158.
    """

    channels: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Doubles both sides: f32 [B, H, W, C] -> f32 [B, 2H, 2W, channels]."""
        b, h, w, _ = x.shape
        x = nn.Conv(4 * self.channels, (3, 3))(x)
        x = x.reshape(b, h, w, 2, 2, self.channels)
        return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, 2 * h, 2 * w, self.channels)


class Autoencoder(nn.Module):
    """Encodes an image to a quarter of its sides and decodes it from there."""

    upsampling: str  # a name in UPSAMPLERS
    channels: int = 32  # at half size
    bottleneck: int = 32  # channels at a quarter of the sides: 2 numbers for each 3 that came in

    @nn.compact
    def __call__(self, image: jax.Array) -> jax.Array:
        """Reconstructs images: f32 [B, H, W, 3] in -1..1 -> f32 of the same shape, about -1..1.

        H and W are multiples of MULTIPLE.
        """
        up = get_upsampler(self.upsampling)
        x = _leaky(nn.Conv(self.channels, (4, 4), strides=(2, 2))(image))
        x = _leaky(nn.Conv(self.bottleneck, (4, 4), strides=(2, 2))(x))
        x = _leaky(nn.Conv(self.bottleneck, (3, 3))(x))
        x = _leaky(up(self.channels)(x))
        return up(3)(x)


def _leaky(x: jax.Array) -> jax.Array:
    # DCGAN's slope. Units that never fire (plain ReLU) leave a colour cast on the fakes.
    return nn.leaky_relu(x, 0.2)


UPSAMPLERS: Mapping[str, Callable[[int], nn.Module]] = MappingProxyType(
    {
        "transposed4": transposed4,
        "transposed3": transposed3,
        "nearest": nearest,
        "bilinear": bilinear,
        "pixelshuffle": PixelShuffle,
    }
)
