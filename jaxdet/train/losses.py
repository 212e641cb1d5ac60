"""The training objective."""

import jax
import jax.numpy as jnp
import optax


def binary_cross_entropy(logit: jax.Array, label: jax.Array) -> jax.Array:
    """Mean over the batch of the cross-entropy of sigmoid(logit): floats [B], i32 [B] to a scalar.

    The same as torch's BCEWithLogitsLoss.
    """
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logit, label.astype(logit.dtype)))
