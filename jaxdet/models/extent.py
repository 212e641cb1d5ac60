"""Keeps images of unlike sizes in one array: what lies outside an image stays at zero.

A convolution pads with zeros, so an image that lies in the upper left corner of a larger
array gives the same features as by itself, as long as everything beyond it is zero before
each convolution. That lets images of many sizes share a few compiled shapes.

`size` is i32 [B, 2], height and width of each image in pixels of the map; None stands for
images that fill the array, and costs nothing.
"""

import jax
import jax.numpy as jnp


def keep_inside(x: jax.Array, size: jax.Array | None) -> jax.Array:
    """Returns float [B, H, W, C] with zeros outside each image."""
    return x if size is None else jnp.where(_inside(x, size), x, 0)


def halve(size: jax.Array | None) -> jax.Array | None:
    """Returns the size after a layer of stride 2 with PyTorch's padding (1 for 3x3, 3 for 7x7)."""
    return None if size is None else (size + 1) // 2


def mean_inside(x: jax.Array, size: jax.Array | None) -> jax.Array:
    """Returns the mean over each image's own area: float [B, H, W, C] to [B, C]."""
    if x.dtype == jnp.bfloat16:
        # XLA for CPUs in JAX 0.12.0 makes NaN of the last block and this mean in one loop.
        x = jax.lax.optimization_barrier(x)
    if size is None:
        return jnp.mean(x, axis=(1, 2))
    area = jnp.prod(size, axis=1)[:, None].astype(x.dtype)
    return jnp.sum(keep_inside(x, size), axis=(1, 2)) / area


def _inside(x: jax.Array, size: jax.Array) -> jax.Array:
    """Returns whether each place lies inside its image, bool [B, H, W, 1]."""
    rows, columns = jnp.arange(x.shape[1]), jnp.arange(x.shape[2])
    inside = (rows[:, None] < size[:, 0, None, None]) & (columns < size[:, 1, None, None])
    return inside[..., None]
