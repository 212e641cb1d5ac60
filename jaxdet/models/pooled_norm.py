"""Computes the normalisation, ReLU and pooling behind a ResNet's first convolution as one.

Apart, they read and write the largest map of the network again and again (docs/evidence/gpu.md).
Here a byte a window says which place held its maximum, and the gradient of the map is made from
these bytes where it is needed, once for the sums and once for the result, and never written before
the normalisation's own gradient.
"""

import functools
import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from jaxdet.models.norm import EPSILON, Norm

# Place of a window without a value above 0: the ReLU's gradient is 0 there.
_NONE = 9
# In windows of 3 by 2 around every second pixel, a row of the map is in a window as its middle
# (even rows), or as the last of one and the first of the next (odd rows): (place, windows further).
_SEEN_AS = (((1, 0),), ((2, 0), (0, 1)))

_Pooled = tuple[jax.Array, jax.Array, jax.Array]


class PooledNorm(Norm):
    """Normalises by the whole batch, and pools what is above 0 in windows of 3x3 and stride 2."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalises and pools float [B, H, W, C], sides even, to [B, H/2, W/2, C], in training."""
        scale, bias = self.parameters(x.shape[-1])
        pooled, mean, var = _pool(x, scale, bias)
        self.keep(mean, var, x.size // x.shape[-1])
        return pooled


@jax.custom_vjp
def _pool(x: jax.Array, scale: jax.Array, bias: jax.Array) -> _Pooled:
    return _forward(x, scale, bias)[0]


def _forward(
    x: jax.Array, scale: jax.Array, bias: jax.Array
) -> tuple[_Pooled, tuple[jax.Array, ...]]:
    wide = x.astype(scale.dtype)
    mean = wide.mean((0, 1, 2))
    var = jnp.maximum((wide * wide).mean((0, 1, 2)) - mean * mean, 0.0)
    deviation = lax.rsqrt(var + EPSILON)
    factor = scale * deviation
    y = nn.relu((wide * factor + (bias - mean * factor)).astype(x.dtype))
    padded = jnp.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1], x.shape[2]
    best = jnp.zeros((x.shape[0], height // 2, width // 2, x.shape[3]), x.dtype)
    place = jnp.full(best.shape, _NONE, jnp.int8)
    for row, column in itertools.product(range(3), repeat=2):
        seen = padded[:, row : row + height : 2, column : column + width : 2]
        larger = seen > best
        best = jnp.where(larger, seen, best)
        place = jnp.where(larger, jnp.int8(3 * row + column), place)
    # Both from one reading of the map.
    best, place = lax.optimization_barrier((best, place))
    return (best, mean, var), (x, scale, mean, deviation, place)


def _backward(kept: tuple[jax.Array, ...], gradients: _Pooled) -> tuple[jax.Array, ...]:
    """Returns the gradients of the pooled map alone: running statistics are no part of a loss."""
    x, scale, mean, deviation, place = kept
    n = x.size // x.shape[-1]
    parts = _parts(x.astype(scale.dtype))
    back = _put_back(gradients[0].astype(scale.dtype), place)
    of_bias = _total(back).sum((0, 1, 2))
    with_x = _total([g * y for g, y in zip(back, parts, strict=True)]).sum((0, 1, 2))
    of_scale = deviation * (with_x - mean * of_bias)
    a = scale * deviation
    b = -a * deviation * of_scale / n
    c = -a * of_bias / n - b * mean
    # Made again from the bytes, rather than written and read.
    gradient, place = lax.optimization_barrier((gradients[0], place))
    again = _put_back(gradient.astype(scale.dtype), place)
    of_x = [(a * g + b * y + c).astype(x.dtype) for g, y in zip(again, parts, strict=True)]
    return _whole(of_x), of_scale, of_bias


_pool.defvjp(_forward, _backward)


def _put_back(gradient: jax.Array, place: jax.Array) -> list[jax.Array]:
    """Returns the gradient of the map before pooling, in the parts that `_parts` cuts."""
    windows = []
    for rows, columns in itertools.product(_SEEN_AS, repeat=2):
        shares = []
        for (row, down), (column, right) in itertools.product(rows, columns):
            is_here = _further(place, down, right, _NONE) == 3 * row + column
            shares.append(jnp.where(is_here, _further(gradient, down, right, 0), 0))
        windows.append(_total(shares))
    return windows


def _total(arrays: list[jax.Array]) -> jax.Array:
    return functools.reduce(jnp.add, arrays)


def _further(x: jax.Array, down: int, right: int, fill: int) -> jax.Array:
    """Returns [B, h, w, C] moved up and left by so many places."""
    edges = ((0, 0, 0), (-down, down, 0), (-right, right, 0), (0, 0, 0))
    return lax.pad(x, jnp.asarray(fill, x.dtype), edges)


def _parts(x: jax.Array) -> list[jax.Array]:
    """Returns the places of even and odd rows and columns apart: four of [B, H/2, W/2, C]."""
    return [x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]


def _whole(parts: list[jax.Array]) -> jax.Array:
    """Returns the map [B, H, W, C] that `_parts` cuts."""
    count, height, width, channels = parts[0].shape
    rows = [jnp.stack(parts[at : at + 2], axis=3) for at in (0, 2)]
    return jnp.stack(rows, axis=2).reshape(count, 2 * height, 2 * width, channels)
