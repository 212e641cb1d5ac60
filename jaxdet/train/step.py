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
# (loss, (logits [B], new batch_stats)), gradients by parameter.
Differentiated = tuple[tuple[jax.Array, tuple[jax.Array, Any]], Any]
TrainStep = Callable[[TrainState, jax.Array, jax.Array, float], tuple[TrainState, Scalars]]


def make_train_step(
    detector: Detector,
    optimizer: optax.GradientTransformation,
    mesh: Mesh,
    *,
    seed: int,
    accumulate: int = 1,
    skip_nonfinite: bool = False,
) -> TrainStep:
    """A function (state, u8 [B, H, W, 3], i32 [B], learning rate) -> (state, scalars).

    The old state's memory is reused. Beside the scalars "loss" and "grad_norm" stand "logit" and
    "label" [B], whole on each device, for accuracy and AP on every host. What a network draws at
    random follows from `seed` and the step alone, so a run that goes on draws the same.

    With `accumulate` above 1 the batch is worked through in that many parts, one after another:
    part k has images k, k + accumulate, k + 2 accumulate, ..., so that each device keeps its own.
    Loss and gradients are the means over the parts; each part is normalised by its own statistics,
    and the running ones take the parts in one by one, as PyTorch's do.

    With `skip_nonfinite`, a step whose loss or gradient norm is not finite counts and changes
    nothing else: parameters, moments and statistics keep their bits.
    """
    loss_of = OBJECTIVES[detector.architecture.objective]

    def step(
        state: TrainState, image: jax.Array, label: jax.Array, learning_rate: jax.Array
    ) -> tuple[TrainState, Scalars]:
        expect_compilation()
        rng = jax.random.fold_in(jax.random.key(seed), state.step)

        params = state.variables["params"]

        def differentiate(
            batch_stats: Any, image: jax.Array, label: jax.Array, rng: jax.Array
        ) -> Differentiated:
            def objective(params: Any) -> tuple[jax.Array, Any]:
                variables = {"params": params, "batch_stats": batch_stats}
                return loss_of(detector, variables, image, label, rng)

            return jax.value_and_grad(objective, has_aux=True)(params)

        (loss, (logit, batch_stats)), gradients = (
            differentiate(state.variables["batch_stats"], image, label, rng)
            if accumulate == 1
            else _in_parts(differentiate, accumulate, state, image, label, rng)
        )
        direction, moments = optimizer.update(gradients, state.optimizer, params)
        moved = jax.tree.map(
            lambda p, d: p - (learning_rate * d).astype(p.dtype), params, direction
        )
        variables = {"params": moved, "batch_stats": batch_stats}
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


def _in_parts(
    differentiate: Callable[..., Differentiated],
    count: int,
    state: TrainState,
    image: jax.Array,
    label: jax.Array,
    rng: jax.Array,
) -> Differentiated:
    """What `differentiate` gives of the whole batch, from `count` parts one after another."""

    def cut(rows: jax.Array) -> jax.Array:
        return jnp.moveaxis(rows.reshape(-1, count, *rows.shape[1:]), 1, 0)

    def add(carried: tuple[Any, Any], part: Any) -> tuple[tuple[Any, Any], Any]:
        batch_stats, summed = carried
        (loss, (logit, batch_stats)), gradients = differentiate(batch_stats, *part)
        return (batch_stats, jax.tree.map(jnp.add, summed, gradients)), (loss, logit)

    nothing = jax.tree.map(jnp.zeros_like, state.variables["params"])
    parts = (cut(image), cut(label), jax.random.split(rng, count))
    (batch_stats, summed), (loss, logit) = jax.lax.scan(
        add, (state.variables["batch_stats"], nothing), parts
    )
    mean = jax.tree.map(lambda gradient: gradient / count, summed)
    # [count, B / count] back to the order of the batch.
    return (loss.mean(), (logit.T.reshape(-1), batch_stats)), mean


def _guarded(state: TrainState, stepped: TrainState, scalars: Scalars) -> TrainState:
    """The stepped state where the scalars are finite, else the old one with its step counted.

    Not optax.apply_if_finite, which sees gradients alone: statistics would take a batch of NaN in.
    """
    finite = jnp.isfinite(scalars["loss"]) & jnp.isfinite(scalars["grad_norm"])
    kept: TrainState = jax.tree.map(lambda new, old: jnp.where(finite, new, old), stepped, state)
    return dataclasses.replace(kept, step=stepped.step)
