"""Computes a 1x1 convolution and the normalisation behind it as one convolution, for training.

The batch's mean and variance of a convolution's output follow from the sums and the products of its
input's channels: with X [n, Ci] the input and W [Ci, Co] the kernel, the outputs XW have the mean
E[X] W and the covariance W' Cov[X] W. So the normalisation is known before anything is convolved,
and goes into kernel and bias. The output before the normalisation, four times as wide as the input
in a bottleneck, is never written, nor is its gradient. It is the same function in exact
arithmetic; what it saves on a card stands in docs/evidence/gpu.md. On CPUs memory is not what
training waits for: there the two stay apart.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from jaxdet.models.norm import EPSILON, Norm

# (output before ReLU or after, batch's mean, its biased variance)
_Normalised = tuple[jax.Array, jax.Array, jax.Array]


class FoldedNorm(Norm):
    """Convolves by a 1x1 kernel, normalises by the whole batch and adds a shortcut."""

    @nn.compact
    def __call__(
        self, x: jax.Array, kernel: jax.Array, shortcut: jax.Array | None = None
    ) -> jax.Array:
        """Returns what `BatchNorm` gives of the convolved map, in training.

        Args:
          x: float [B, H, W, Ci].
          kernel: float [Ci, Co].
          shortcut: float [B, H, W, Co], added before a ReLU; None for neither.

        Returns:
          Float [B, H, W, Co] in the dtype of `x`.
        """
        scale, bias = self.parameters(kernel.shape[-1])
        y, mean, var = _fold(x, kernel.astype(x.dtype), scale, bias, shortcut)
        self.keep(mean, var, x.size // x.shape[-1])
        return y


@jax.custom_vjp
def _fold(
    x: jax.Array,
    kernel: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    shortcut: jax.Array | None,
) -> _Normalised:
    return _forward(x, kernel, scale, bias, shortcut)[0]


def _forward(
    x: jax.Array,
    kernel: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    shortcut: jax.Array | None,
) -> tuple[_Normalised, tuple[jax.Array | None, ...]]:
    n = x.size // x.shape[-1]
    w = kernel.astype(scale.dtype)
    sums = x.astype(scale.dtype).sum((0, 1, 2))
    # Before the products alone: else XLA computes the ReLU before them in them, too, and writes
    # `x` twice.
    read = lax.optimization_barrier(x)
    moments = _products(read, read)
    mean_x = sums / n
    mean = _small(mean_x, w)
    covariance = moments / n - jnp.outer(mean_x, mean_x)
    var = jnp.maximum((w * _small(covariance, w)).sum(0), 0.0)
    deviation = lax.rsqrt(var + EPSILON)
    factor = scale * deviation
    y = _pointwise(x, w * factor) + (bias - mean * factor).astype(x.dtype)
    if shortcut is not None:
        y = nn.relu(y + shortcut)
    out = None if shortcut is None else y
    return (y, mean, var), (x, kernel, scale, bias, mean, deviation, sums, moments, out)


def _backward(kept: tuple[jax.Array, ...], gradients: _Normalised) -> tuple[jax.Array | None, ...]:
    """Returns the gradients of the output alone: running statistics are no part of a loss."""
    x, kernel, scale, _, mean, deviation, sums, moments, out = kept
    n = x.size // x.shape[-1]
    w = kernel.astype(scale.dtype)
    # Not `> 0`: XLA would ask it of the map before the ReLU, and keep that one, too.
    g = gradients[0] if out is None else jnp.where(out != 0, gradients[0], 0)
    of_bias = g.astype(scale.dtype).sum((0, 1, 2))
    products = _products(lax.optimization_barrier(x), g)
    of_scale = deviation * ((w * products).sum(0) - mean * of_bias)
    # The gradient of the convolved map would be a g + b y + c; y is x W.
    a = scale * deviation
    b = -a * deviation * of_scale / n
    c = -a * of_bias / n - b * mean
    of_kernel = a * products + b * _small(moments, w) + jnp.outer(sums, c)
    of_x = _pointwise(g, (w * a).T) + (
        _pointwise(x, _small(w * b, w.T)) + _small(w, c).astype(x.dtype)
    )
    return of_x, of_kernel.astype(kernel.dtype), of_scale, of_bias, None if out is None else g


_fold.defvjp(_forward, _backward)


def _pointwise(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Returns float [B, H, W, Ci] convolved by [Ci, Co], in the dtype of `x`."""
    return lax.conv_general_dilated(
        x,
        kernel[None, None].astype(x.dtype),
        (1, 1),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _products(left: jax.Array, right: jax.Array) -> jax.Array:
    """Returns the sums over all places of the products of two maps' channels, float32 at least."""
    dtype = jnp.promote_types(left.dtype, jnp.float32)
    products: jax.Array = jnp.einsum(
        "bhwi,bhwj->ij", left, right, preferred_element_type=dtype, precision=None
    )
    return products


def _small(left: jax.Array, right: jax.Array) -> jax.Array:
    return jnp.matmul(left, right, precision=lax.Precision.HIGHEST)
