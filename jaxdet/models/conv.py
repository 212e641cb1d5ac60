"""Square convolutions as PyTorch pads them, in the form that is fast on the platform."""

import flax.linen as nn
import jax
from flax.linen.dtypes import promote_dtype

# torchvision: kaiming_normal_(mode="fan_out", nonlinearity="relu").
_init = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


def flax_conv(features: int, size: int, *, stride: int = 1, name: str | None) -> nn.Conv:
    """A square convolution without bias, padded on both sides as PyTorch pads."""
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
    """The same function of the same parameters; on CPUs one of 1x1 as a product of matrices.

    XLA for CPUs copies whole maps into another layout around the weight gradient of a 1x1
    convolution, on one core; a product of flattened matrices needs none of that
    (docs/benchmarks/step.md). On accelerators convolutions go to the vendor's library as they are.
    """
    if size == 1 and jax.default_backend() == "cpu":
        return _Pointwise(features, stride, name=name)
    return flax_conv(features, size, stride=stride, name=name)


class _Pointwise(nn.Module):
    """A 1x1 convolution without bias."""

    features: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Float [B, H, W, C] to [B, ceil(H/stride), ceil(W/stride), features]."""
        kernel = self.param("kernel", _init, (1, 1, x.shape[-1], self.features))
        x, kernel = promote_dtype(x, kernel)
        x = x[:, :: self.stride, :: self.stride]
        y: jax.Array = x.reshape(-1, x.shape[-1]) @ kernel[0, 0]
        return y.reshape(*x.shape[:-1], self.features)
