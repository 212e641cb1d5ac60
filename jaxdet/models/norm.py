"""Normalises batches as PyTorch does in training."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

# torch.nn.BatchNorm2d: running = 0.9 * running + 0.1 * batch, eps 1e-5.
_DECAY = 0.9
EPSILON = 1e-5


class Norm(nn.Module):
    """Holds what all forms of batch normalisation keep: parameters and running statistics.

    Attributes:
      unbiased: whether the running variance is n / (n - 1) times the batch's.
      groups: parts of the batch that are normalised apart; running statistics are averaged.
      scale_init: of the factor of each channel.
    """

    unbiased: bool = True
    groups: int = 1
    scale_init: nn.initializers.Initializer = nn.initializers.ones

    def parameters(self, channels: int) -> tuple[jax.Array, jax.Array]:
        """Returns scale and bias, float [C] each."""
        scale = self.param("scale", self.scale_init, (channels,))
        return scale, self.param("bias", nn.initializers.zeros, (channels,))

    def running(self, channels: int, dtype: Any) -> tuple[Any, Any]:
        """Returns the variables of the running mean and variance, [C] each."""
        mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,), dtype)
        return mean, self.variable("batch_stats", "var", jnp.ones, (channels,), dtype)

    def keep(self, mean: jax.Array, var: jax.Array, n: int) -> None:
        """Takes a batch's mean and biased variance over `n` places, [C] each, into the running."""
        kept_mean, kept_var = self.running(len(mean), mean.dtype)
        if self.is_initializing():
            return
        unbiased = var * (n / max(n - 1, 1) if self.unbiased else 1.0)
        kept_mean.value = _DECAY * kept_mean.value + (1 - _DECAY) * mean
        kept_var.value = _DECAY * kept_var.value + (1 - _DECAY) * unbiased


class BatchNorm(Norm):
    """Normalises each channel by statistics over the batch and both image axes.

    In training the statistics are those of the global batch however many devices share it
    (or of `groups` equal parts of it), so a result does not depend on the hardware. Unlike
    `flax.linen.BatchNorm` the running variance can be the unbiased estimate that PyTorch
    keeps.
    """

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Normalises float [B, H, W, C] to the same shape."""
        scale, bias = self.parameters(x.shape[-1])
        if not train:
            mean, var = self.running(x.shape[-1], scale.dtype)
            return _normalise(x, mean.value, var.value, scale, bias)
        grouped = x.reshape(self.groups, -1, *x.shape[1:])
        batch_mean, batch_var = _statistics(grouped.astype(scale.dtype))
        self.keep(batch_mean.mean(0), batch_var.mean(0), grouped[0, ..., 0].size)
        expanded = (batch_mean[:, None, None, None], batch_var[:, None, None, None])
        return _normalise(grouped, *expanded, scale, bias).reshape(x.shape)


def _statistics(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns each group's mean and biased variance of [G, B/G, H, W, C]: two of [G, C]."""
    axes = (1, 2, 3)
    mean = x.mean(axes)
    # One pass over the data; float32 sums keep the difference of squares harmless here.
    return mean, jnp.maximum((x * x).mean(axes) - mean * mean, 0.0)


def _normalise(
    x: jax.Array, mean: jax.Array, var: jax.Array, scale: jax.Array, bias: jax.Array
) -> jax.Array:
    factor = scale * jax.lax.rsqrt(var + EPSILON)
    # A bfloat16 map is normalised in the parameters' float32, and goes on as bfloat16.
    return (x * factor + (bias - mean * factor)).astype(x.dtype)
