"""Keeps a pool of earlier fakes, so that a discriminator does not forget them.

Shrivastava et al. (https://arxiv.org/abs/1612.07828), in CycleGAN's form.
"""

from typing import Any

import jax
import jax.numpy as jnp

Pool = dict[str, jax.Array]


def init_pool(size: int, shape: tuple[int, ...]) -> Pool:
    """Returns an empty pool for `size` images f32 of a shape."""
    return {"images": jnp.zeros((size, *shape)), "count": jnp.zeros((), jnp.int32)}


def swap(pool: Pool, fakes: jax.Array, *, key: jax.Array) -> tuple[Pool, jax.Array]:
    """Returns the pool after new fakes f32 [B, ...], and what is shown in their place.

    While the pool has room an image goes in and is shown. Then, by a coin, it is shown itself, or
    takes the place of a random one of the pool, which is shown.
    """

    def one(pool: Pool, new: tuple[jax.Array, jax.Array]) -> tuple[Pool, jax.Array]:
        fake, key = new
        coin, place = jax.random.split(key)
        size, room = len(pool["images"]), pool["count"] < len(pool["images"])
        chosen = jax.random.randint(place, (), 0, size)
        slot = jnp.where(room, pool["count"], chosen)
        take = ~room & jax.random.bernoulli(coin)
        old = pool["images"][slot]
        kept = jnp.where(room | take, fake, old)
        count = jnp.minimum(pool["count"] + 1, size)
        filled = {"images": pool["images"].at[slot].set(kept), "count": count}
        return filled, jnp.where(take, old, fake)

    scanned: Any = jax.lax.scan(one, pool, (fakes, jax.random.split(key, len(fakes))))
    return scanned
