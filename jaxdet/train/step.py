"""One update, compiled for all devices of the mesh."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from jaxdet.models.detector import Detector
from jaxdet.runtime.mesh import batch_sharding, replicated
from jaxdet.runtime.watchdog import expect_compilation
from jaxdet.train.losses import OBJECTIVES
from jaxdet.train.state import TrainState

Scalars = dict[str, jax.Array]
TrainStep = Callable[[TrainState, jax.Array, jax.Array, float], tuple[TrainState, Scalars]]


def make_train_step(
    detector: Detector,
    optimizer: optax.GradientTransformation,
    mesh: Mesh,
    *,
    seed: int,
    skip_nonfinite: bool = False,
) -> TrainStep:
    """A function (state, u8 [B, H, W, 3], i32 [B], learning rate) -> (state, scalars).

    The old state's memory is reused. Beside the scalars "loss" and "grad_norm" stand "logit" and
    "label" [B], whole on each device, for accuracy and AP on every host. What a network draws at
    random follows from `seed` and the step alone, so a run that goes on draws the same.

    With `skip_nonfinite`, a step whose loss or gradient norm is not finite counts and changes
    nothing else: parameters, moments and statistics keep their bits.
    """
    loss_of = OBJECTIVES[detector.architecture.objective]

    def step(
        state: TrainState, image: jax.Array, label: jax.Array, learning_rate: jax.Array
    ) -> tuple[TrainState, Scalars]:
        expect_compilation()
        rng = jax.random.fold_in(jax.random.key(seed), state.step)

        def objective(params: Any) -> tuple[jax.Array, Any]:
            variables = {**state.variables, "params": params}
            return loss_of(detector, variables, image, label, rng)

        params = state.variables["params"]
        (loss, (logit, batch_stats)), gradients = jax.value_and_grad(objective, has_aux=True)(
            params
        )
        direction, moments = optimizer.update(gradients, state.optimizer, params)
        params = jax.tree.map(
            lambda p, d: p - (learning_rate * d).astype(p.dtype), params, direction
        )
        variables = {"params": params, "batch_stats": batch_stats}
        scalars = {
            "loss": loss,
            "grad_norm": optax.global_norm(gradients),
            "logit": logit,
            "label": label,
        }
        stepped = TrainState(state.step + 1, variables, moments)
        return _guarded(state, stepped, scalars) if skip_nonfinite else stepped, scalars

    whole, cut = replicated(mesh), batch_sharding(mesh)
    compiled = jax.jit(
        step,
        in_shardings=(whole, cut, cut, whole),
        out_shardings=(whole, whole),
        donate_argnums=0,
    )
    return lambda state, image, label, rate: compiled(state, image, label, jnp.float32(rate))


def _guarded(state: TrainState, stepped: TrainState, scalars: Scalars) -> TrainState:
    """The stepped state where the scalars are finite, else the old one with its step counted.

    Not optax.apply_if_finite, which sees gradients alone: statistics would take a batch of NaN in.
    """
    finite = jnp.isfinite(scalars["loss"]) & jnp.isfinite(scalars["grad_norm"])
    kept: TrainState = jax.tree.map(lambda new, old: jnp.where(finite, new, old), stepped, state)
    return dataclasses.replace(kept, step=stepped.step)
