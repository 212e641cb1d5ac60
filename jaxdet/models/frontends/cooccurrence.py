"""Counts how often two grey levels stand beside each other: the input of Nataraj et al. 2019."""

import jax
import jax.numpy as jnp

LEVELS = 256
# Pixels to the right. The paper says neighbours; its copy in GRIP's comparison takes 5.
OFFSET = 1


def cooccurrence(image: jax.Array, *, offset: int = OFFSET) -> jax.Array:
    """Returns the symmetric, normalised co-occurrence matrix of grey levels of each channel.

    `skimage.feature.graycomatrix(distances=[offset], angles=[0], symmetric=True, normed=True)`
    of each channel of each image.

    Args:
      image: u8 (or whole numbers 0..255) [B, H, W, C], W above `offset`.
      offset: pixels between the two of a pair, to the right.

    Returns:
      f32 [B, 256, 256, C]; each channel sums to 1.
    """
    levels = jnp.moveaxis(image.astype(jnp.int32), 3, 1)
    pairs = levels[..., :-offset] * LEVELS + levels[..., offset:]
    flat = pairs.reshape(-1, pairs.shape[2] * pairs.shape[3])
    # Equal pairs collide, so this adds one by one: exact in float32 to 2**24 pixels.
    count = jax.vmap(lambda p: jnp.zeros(LEVELS**2, jnp.float32).at[p].add(1.0))(flat)
    count = count.reshape(*levels.shape[:2], LEVELS, LEVELS)
    both = count + jnp.swapaxes(count, 2, 3)
    return jnp.moveaxis(both / (2 * flat.shape[1]), 1, 3)
