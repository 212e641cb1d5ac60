"""Computes activation maps (CAM): what each place of the last feature map adds to the logit.

The activation of a place times the logit's gradient there, summed over channels (Grad-CAM's
product, Selvaraju et al., ICCV 2017, without its pooling of gradients and its ReLU). Behind a
global mean the head is linear in the map, so for the ResNets this is the class-activation map of
Zhou et al., CVPR 2016: w . A / (h w) at each place, and map and bias together are the logit.
Behind VGG's classifier it is the first-order part alone.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

# Collections and a name that a module leaves its last map under.
_SEEN, _SHIFT, _NAME = "evidence", "evidence_shift", "last_map"


def last_map(module: nn.Module, x: jax.Array) -> jax.Array:
    """Marks a feature map, float [B, h, w, C], for `evidence`, and returns it as it is.

    It costs nothing elsewhere.
    """
    module.sow(_SEEN, _NAME, x)
    return module.perturb(_NAME, x, collection=_SHIFT)


def evidence(network: nn.Module, variables: Any, pixels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the logits, float [B], and the maps, [B, h, w], of what adds to them (CAM).

    The pixels are normalised, float [B, H, W, 3].

    Args:
      network: passes its last feature map through `last_map`.
      variables: of the network, in the dtypes that it computes in.
      pixels: images that fill the array.
    """

    def score(shift: jax.Array | None) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        shifted = variables if shift is None else {**variables, _SHIFT: {_NAME: shift}}
        logits, kept = network.apply(shifted, pixels, train=False, mutable=[_SEEN])
        # An image's logit depends on its own map alone: the sum's gradient holds each one's.
        return logits.sum(), (logits, kept[_SEEN][_NAME][0])

    _, (_, shape) = jax.eval_shape(lambda: score(None))
    zeros = jnp.zeros(shape.shape, shape.dtype)
    gradient, (logits, last) = jax.grad(score, has_aux=True)(zeros)
    # Products of bfloat16 are added in the logits' float32.
    return logits, (gradient.astype(logits.dtype) * last.astype(logits.dtype)).sum(-1)
