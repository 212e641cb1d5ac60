"""Compiles one update for all devices of the mesh."""

import dataclasses
import weakref
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from jaxdet.models.detector import Detector
from jaxdet.runtime.layouts import as_stepped, stepped
from jaxdet.runtime.mesh import batch_sharding, put_number, replicated
from jaxdet.train.state import Rate, Scalars, TrainState, TrainStep
from jaxdet.train.step_functions import Differentiated, StepFunctions
from jaxdet.train.tuning import split
from jaxdet.workdir.watchdog import expect_compilation


def make_train_step(
    detector: Detector,
    optimizer: optax.GradientTransformation,
    mesh: Mesh,
    *,
    seed: int,
    accumulate: int = 1,
    skip_nonfinite: bool = False,
    loss: str = "",
    contrastive: float = 0.0,
    tune: str = "all",
    ema: float = 0.0,
    supcon: float = 0.0,
) -> TrainStep:
    """Returns a function (state, u8 [B, H, W, 3], i32 [B], learning rate) -> (state, scalars).

    The old state's memory is reused. Beside the scalars "loss" and "grad_norm" stand "logit" and
    "label" [B], replicated, for accuracy and AP on every host. What a network draws at
    random follows from `seed` and the step alone, so a run that goes on draws the same.

    With `accumulate` above 1 the batch is worked through in that many parts, one after another:
    part k has images k, k + accumulate, k + 2 accumulate, ..., so that each device keeps its own.
    Loss and gradients are the means over the parts; each part is normalised by its own statistics,
    and the running ones take the parts in one by one, as PyTorch's do.

    With `skip_nonfinite`, a step whose loss or gradient norm is not finite counts and changes
    nothing else: parameters, moments and statistics keep their bits.

    Of `loss`, `contrastive`, `supcon`, `tune` and `ema` see the options of these names.
    """
    functions = StepFunctions(
        detector=detector,
        optimizer=optimizer,
        seed=seed,
        skip_nonfinite=skip_nonfinite,
        loss=loss,
        contrastive=contrastive,
        tune=tune,
        ema=ema,
        supcon=supcon,
    )
    if accumulate > 1:
        return _laid_out(mesh, lambda of_state: _in_parts(functions, mesh, accumulate, of_state))
    return _laid_out(mesh, lambda of_state: whole_step(functions, mesh, of_state))


def _laid_out(mesh: Mesh, build: Callable[[Any], TrainStep]) -> TrainStep:
    """Returns the step for the layout of the first state; it takes a state in any."""
    step: TrainStep | None = None
    # Not the state itself, which would stay on the device beyond the training.
    own: weakref.ref[TrainState] | None = None

    def call(
        state: TrainState, image: jax.Array, label: jax.Array, rate: Rate
    ) -> tuple[TrainState, Scalars]:
        nonlocal step, own
        step = step or build(stepped(mesh, state))
        # One that the step gave lies right.
        is_own = own is not None and state is own()
        stepped_state, scalars = step(
            state if is_own else as_stepped(mesh, state), image, label, rate
        )
        own = weakref.ref(stepped_state)
        return stepped_state, scalars

    return call


def whole_step(functions: StepFunctions, mesh: Mesh, of_state: Any) -> Any:
    """Returns the program of a step that takes a batch at once, as `jax.jit` gives it.

    Args:
      functions: what it is made of.
      mesh: the devices.
      of_state: where and how the state lies, from `layouts.stepped`.
    """

    def step(
        state: TrainState, image: jax.Array, label: jax.Array, learning_rate: jax.Array
    ) -> tuple[TrainState, Scalars]:
        expect_compilation()
        params, batch_stats = state.variables["params"], state.variables["batch_stats"]
        gradients = functions.differentiate(params, batch_stats, image, label, functions.rng(state))
        return functions.apply(state, gradients, label, learning_rate)

    full, sharded = replicated(mesh), batch_sharding(mesh)
    return jax.jit(
        step,
        in_shardings=(of_state, sharded, sharded, full),
        out_shardings=(of_state, full),
        donate_argnums=0,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Parts:
    """Holds the functions of a step that works through a batch in `count` parts, to be compiled."""

    functions: StepFunctions
    count: int

    def begin(self, state: TrainState, label: jax.Array) -> Differentiated:
        """Returns sums over no part."""
        trained, _ = split(self.functions.tune, state.variables["params"])
        nothing = jax.tree.map(jnp.zeros_like, trained)
        logit = jnp.zeros((len(label) // self.count, self.count))
        return Differentiated(nothing, state.variables["batch_stats"], jnp.zeros(()), logit)

    def add(
        self,
        state: TrainState,
        sums: Differentiated,
        image: jax.Array,
        label: jax.Array,
        k: jax.Array,
    ) -> Differentiated:
        """Returns the sums with those of part k of the batch."""
        expect_compilation()
        image, label = (
            rows.reshape(-1, self.count, *rows.shape[1:])[:, k] for rows in (image, label)
        )
        rng = jax.random.fold_in(self.functions.rng(state), k)
        part = self.functions.differentiate(
            state.variables["params"], sums.batch_stats, image, label, rng
        )
        return Differentiated(
            jax.tree.map(jnp.add, sums.gradients, part.gradients),
            part.batch_stats,
            sums.loss + part.loss,
            sums.logit.at[:, k].set(part.logit),
        )

    def finish(
        self, state: TrainState, sums: Differentiated, label: jax.Array, learning_rate: jax.Array
    ) -> tuple[TrainState, Scalars]:
        """Returns the state after the update by the means over the parts, and its scalars."""
        gradients = jax.tree.map(lambda gradient: gradient / self.count, sums.gradients)
        loss, logit = sums.loss / self.count, sums.logit.reshape(-1)
        means = Differentiated(gradients, sums.batch_stats, loss, logit)
        return self.functions.apply(state, means, label, learning_rate)


def _in_parts(functions: StepFunctions, mesh: Mesh, count: int, of_state: Any) -> TrainStep:
    """Returns a step made of a program that is called for each part, and one for the update.

    No loop inside one program: XLA for CPUs computes convolutions in loops many times slower, and
    where it unrolls them it keeps the maps of all parts.
    """
    parts = _Parts(functions, count)
    full: Any = replicated(mesh)
    sharded: Any = batch_sharding(mesh)
    of_trained, _ = split(functions.tune, of_state.variables["params"])
    of_sums = Differentiated(of_trained, full, full, sharded)
    begin = jax.jit(parts.begin, in_shardings=(of_state, sharded), out_shardings=of_sums)
    add = jax.jit(
        parts.add,
        in_shardings=(of_state, of_sums, sharded, sharded, full),
        out_shardings=of_sums,
        donate_argnums=1,
    )
    finish = jax.jit(
        parts.finish,
        in_shardings=(of_state, of_sums, sharded, full),
        out_shardings=(of_state, full),
        donate_argnums=0,
    )
    numbers = [put_number(mesh, np.int32(k)) for k in range(count)]

    def step(
        state: TrainState, image: jax.Array, label: jax.Array, rate: Rate
    ) -> tuple[TrainState, Scalars]:
        sums = begin(state, label)
        for k in numbers:
            sums = add(state, sums, image, label, k)
        return finish(state, sums, label, rate)

    return step
