"""Pools maxima with a gradient that has the same bits each time, on GPUs too.

XLA makes of the gradient of `flax.linen.max_pool` a select-and-scatter. On GPUs that adds in the
order in which threads arrive, and does not compile where nondeterministic operations are
excluded (docs/reliability.md).
"""

from collections.abc import Callable, Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

Padding = Sequence[tuple[int, int]]
# (float [B, H, W, C], window, strides=..., padding=...) -> float [B, h, w, C]
MaxPool = Callable[..., jax.Array]


def max_pool(
    x: jax.Array,
    window: tuple[int, int],
    *,
    strides: tuple[int, int],
    padding: Padding = ((0, 0), (0, 0)),
) -> jax.Array:
    """Pools with flax's values and gradient, but without a select-and-scatter in the gradient.

    Where several places of a window hold its maximum, the first in the order of rows takes the
    gradient, as in XLA and PyTorch. Gradients from overlapping windows are added in another order
    than XLA's: equal up to rounding, and each time to the bit.

    Args:
      x: float [B, H, W, C].
      window: its height and width.
      strides: between windows.
      padding: before and after the rows and the columns; it never wins.

    Returns:
      float [B, h, w, C].
    """
    return _max_pool(x, window, strides, tuple(padding))


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _max_pool(
    x: jax.Array, window: tuple[int, int], strides: tuple[int, int], padding: Padding
) -> jax.Array:
    pooled: jax.Array = nn.max_pool(x, window, strides=strides, padding=padding)
    return pooled


def _forward(
    x: jax.Array, window: tuple[int, int], strides: tuple[int, int], padding: Padding
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    pooled = _max_pool(x, window, strides, padding)
    return pooled, (x, pooled)


def _backward(
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: Padding,
    kept: tuple[jax.Array, jax.Array],
    gradient: jax.Array,
) -> tuple[jax.Array]:
    """Routes each window's gradient to its first maximum: a sum of dilated arrays, one a place."""
    x, pooled = kept
    padded = jnp.pad(x, ((0, 0), *padding, (0, 0)), constant_values=-jnp.inf)
    height, width = padded.shape[1:3]
    free = jnp.ones(pooled.shape, bool)
    total = jnp.zeros_like(padded)
    for row in range(window[0]):
        for column in range(window[1]):
            corner = (row, column)
            first = free & (_places(padded, corner, strides, pooled.shape) == pooled)
            free &= ~first
            share = jnp.where(first, gradient, 0)
            total += _put_back(share, corner, strides, (height, width))
    (top, _), (left, _) = padding
    return (total[:, top : top + x.shape[1], left : left + x.shape[2]],)


def _places(
    padded: jax.Array, corner: tuple[int, int], strides: tuple[int, int], shape: tuple[int, ...]
) -> jax.Array:
    """Returns what stands at one place of every window, in the pooled array's shape."""
    ends = [at + (n - 1) * by + 1 for at, n, by in zip(corner, shape[1:3], strides, strict=True)]
    return padded[:, corner[0] : ends[0] : strides[0], corner[1] : ends[1] : strides[1]]


def _put_back(
    share: jax.Array, corner: tuple[int, int], strides: tuple[int, int], sides: tuple[int, int]
) -> jax.Array:
    """Applies the transpose of `_places`: zeros between and around."""
    inner = [
        (at, side - at - (n - 1) * by - 1, by - 1)
        for at, side, n, by in zip(corner, sides, share.shape[1:3], strides, strict=True)
    ]
    return jax.lax.pad(share, jnp.zeros((), share.dtype), [(0, 0, 0), *inner, (0, 0, 0)])


_max_pool.defvjp(_forward, _backward)
