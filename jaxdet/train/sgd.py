"""Descends stochastic gradients as torch.optim.SGD does, dampening and all."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class SgdState(NamedTuple):
    """Holds the momentum of each parameter, and whether there is any yet."""

    momentum: Any
    started: jax.Array


def torch_sgd(
    *, momentum: float, dampening: float, weight_decay: float
) -> optax.GradientTransformation:
    """Returns SGD's m <- momentum * m + (1 - dampening) * g of gradients with L2 weight decay.

    The first gradient is taken whole, as torch does; `optax.trace` knows no dampening.
    """

    def init(params: Any) -> SgdState:
        return SgdState(jax.tree.map(jnp.zeros_like, params), jnp.zeros((), bool))

    def update(gradients: Any, state: SgdState, params: Any = None) -> tuple[Any, SgdState]:
        share = jnp.where(state.started, 1 - dampening, 1.0)
        moved = jax.tree.map(
            lambda m, g, p: momentum * m + share * (g + weight_decay * p),
            state.momentum,
            gradients,
            params,
        )
        return moved, SgdState(moved, jnp.ones((), bool))

    return optax.GradientTransformation(init, update)
