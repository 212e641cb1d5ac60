"""Computes square convolutions as PyTorch pads them, in the form that is fast on the platform."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype

from jaxdet.models.platform import is_cpu, is_onnx

# torchvision: kaiming_normal_(mode="fan_out", nonlinearity="relu").
_init = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
# Side of a ResNet's first kernel.
_STEM = 7
# The blocks' channels are filled up to a multiple of this, the fastest of 12 and 16 on an H200.
_ALIGNED = 16


def flax_conv(features: int, size: int, *, stride: int = 1, name: str | None) -> nn.Conv:
    """Returns a square convolution without bias, padded on both sides as PyTorch pads."""
    # "SAME" would pad a stride of 2 on one side only.
    pad = (size - 1) // 2
    return nn.Conv(
        features,
        (size, size),
        strides=stride,
        padding=((pad, pad), (pad, pad)),
        use_bias=False,
        kernel_init=_init,
        name=name,
    )


def conv(features: int, size: int, *, stride: int = 1, name: str | None) -> nn.Module:
    """Returns a square convolution without bias, in the form that suits the platform.

    All forms are the same function of the same parameters. On CPUs one of 1x1 is a product of
    matrices: XLA for CPUs copies whole maps into another layout around the weight gradient of a 1x1
    convolution, on one core; a product of flattened matrices needs none of that
    (docs/evidence/step.md). On accelerators a stem of 7x7 looks at blocks of pixels, and all
    others go to the vendor's library as they are, as all do that are written for ONNX.
    """
    if is_onnx():
        return flax_conv(features, size, stride=stride, name=name)
    on_cpu = is_cpu()
    if size == 1 and on_cpu:
        return _Pointwise(features, stride, name=name)
    if (size, stride) == (_STEM, 2) and not on_cpu:
        return BlockedStem(features, name=name)
    return flax_conv(features, size, stride=stride, name=name)


class Kernel(nn.Module):
    """Holds the kernel of a 1x1 convolution without bias, for those that apply it in their way."""

    features: int

    @nn.compact
    def __call__(self, channels: int) -> jax.Array:
        """Returns the kernel, float [channels, features]."""
        kernel: jax.Array = self.param("kernel", _init, (1, 1, channels, self.features))
        return kernel[0, 0]


class _Pointwise(nn.Module):
    """Applies a 1x1 convolution without bias, as a product of matrices."""

    features: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Convolves float [B, H, W, C] to [B, ceil(H/stride), ceil(W/stride), features]."""
        kernel = self.param("kernel", _init, (1, 1, x.shape[-1], self.features))
        x, kernel = promote_dtype(x, kernel)
        x = x[:, :: self.stride, :: self.stride]
        y: jax.Array = x.reshape(-1, x.shape[-1]) @ kernel[0, 0]
        return y.reshape(*x.shape[:-1], self.features)


class BlockedStem(nn.Module):
    """Applies a 7x7 convolution of stride 2, without bias, as a 4x4 one on 2x2 blocks of pixels.

    cuDNN's kernels for tensor cores take channels by the eight. With the three of an image it ran
    at a tenth of what the card's memory allows (docs/evidence/gpu.md); sixteen, four of them
    zero, suit it. The kernel is kept as 7x7.
    """

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Convolves float [B, H, W, C] to [B, ceil(H/2), ceil(W/2), features]."""
        channels = x.shape[-1]
        kernel = self.param("kernel", _init, (_STEM, _STEM, channels, self.features))
        x, kernel = promote_dtype(x, kernel)
        x = jnp.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)))
        blocks = _blocks(x, axis=1)
        # A row and a column of zeros in front make its sides even.
        kernel = _blocks(jnp.pad(kernel, ((1, 0), (1, 0), (0, 0), (0, 0)))[None], axis=1)[0]
        more = -blocks.shape[-1] % _ALIGNED
        blocks = jnp.pad(blocks, ((0, 0), (0, 0), (0, 0), (0, more)))
        kernel = jnp.pad(kernel, ((0, 0), (0, 0), (0, more), (0, 0)))
        y: jax.Array = jax.lax.conv_general_dilated(
            blocks, kernel, (1, 1), ((2, 1), (2, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return y


def _blocks(x: jax.Array, *, axis: int) -> jax.Array:
    """Returns [..., 2H, 2W, C, ...] with rows at `axis` as [..., H, W, 4C, ...]."""
    before, (rows, columns, channels), after = (
        x.shape[:axis],
        x.shape[axis : axis + 3],
        x.shape[axis + 3 :],
    )
    x = x.reshape(*before, rows // 2, 2, columns // 2, 2, channels, *after)
    x = jnp.swapaxes(x, axis + 1, axis + 2)
    return x.reshape(*before, rows // 2, columns // 2, 4 * channels, *after)
