"""Scales each coefficient by what was seen of it in training."""

import flax.linen as nn
import jax
import jax.numpy as jnp

# torch in the code of Frank and Holz (models.py, MinMaxScaler).
_NO_RANGE = 1e-13


class MinMax(nn.Module):
    """Scales each place by its smallest and largest value, over all images and channels so far.

    Frank and Holz (models.py:185-268): both bounds only ever move outward, in training alone,
    and a batch is scaled by bounds that it has already moved.
    """

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Scales float [B, H, W, C] to the same shape; 0..1 for what lies within the bounds."""
        shape = x.shape[1:3]
        low = self.variable("batch_stats", "min", jnp.full, shape, jnp.inf, x.dtype)
        high = self.variable("batch_stats", "max", jnp.full, shape, -jnp.inf, x.dtype)
        if train and not self.is_initializing():
            low.value = jnp.minimum(low.value, jax.lax.stop_gradient(x.min((0, 3))))
            high.value = jnp.maximum(high.value, jax.lax.stop_gradient(x.max((0, 3))))
        # Before the first step there are no bounds: 0..1 leaves the coefficients as they are.
        seen = jnp.isfinite(low.value)
        bottom = jnp.where(seen, low.value, 0.0)[..., None]
        top = jnp.where(seen, high.value, 1.0)[..., None]
        return (x - bottom) / (top - bottom + _NO_RANGE)


class Standard(nn.Module):
    """Standardises each place and channel by its mean and deviation over the training images.

    Frank et al., ICML 2020 (GANDCTAnalysis, prepare_dataset.py:216-229): measured once, before
    training, over all training images; the population variance.
    """

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, measured: jax.Array | None = None
    ) -> jax.Array:
        """Standardises float [B, H, W, C] to the same shape; training leaves the statistics alone.

        Args:
          x: the images.
          train: of no effect.
          measured: bool [B], the rows to add to the statistics first; None for none.
        """
        del train
        shape = x.shape[1:]
        count = self.variable("batch_stats", "count", jnp.zeros, (), x.dtype)
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape, x.dtype)
        spread = self.variable("batch_stats", "spread", jnp.zeros, shape, x.dtype)
        if measured is not None:
            weight = measured.astype(x.dtype)[:, None, None, None]
            n = jnp.maximum(weight.sum(), 1)
            batch_mean = (weight * x).sum(0) / n
            # Chan et al. 1979: two samples' means and sums of squares put together.
            total = count.value + weight.sum()
            step = batch_mean - mean.value
            share = weight.sum() / jnp.maximum(total, 1)
            spread.value += (weight * (x - batch_mean) ** 2).sum(0) + step**2 * count.value * share
            mean.value += step * share
            count.value = total
        variance = spread.value / jnp.maximum(count.value, 1)
        # Nothing measured, or a coefficient that never changes: left at its distance.
        return (x - mean.value) / jnp.sqrt(jnp.where(variance > 0, variance, 1.0))
