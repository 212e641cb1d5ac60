"""Defines what a step is made of: gradients of some images, and the update that they give."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxdet.models.detector import Detector
from jaxdet.train.losses import get_objective
from jaxdet.train.state import Scalars, TrainState
from jaxdet.train.tuning import join, split


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Differentiated:
    """Holds what the differentiation of the loss of some images gives.

    Attributes:
      gradients: of the loss, by parameter that is trained.
      batch_stats: the new ones.
      loss: scalar.
      logit: [B].
    """

    gradients: Any
    batch_stats: Any
    loss: jax.Array
    logit: jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepFunctions:
    """Holds the functions of a step, to be compiled.

    Attributes:
      detector: what is trained.
      optimizer: gradients to a direction.
      seed: all that a network draws at random follows from it and the step.
      skip_nonfinite: whether an update that is not finite is left out.
      loss: `optim.loss`.
      contrastive: `optim.contrastive`.
      tune: `model.tune`.
      ema: `optim.ema`.
      supcon: `optim.supcon`.
    """

    detector: Detector
    optimizer: optax.GradientTransformation
    seed: int
    skip_nonfinite: bool
    loss: str = ""
    contrastive: float = 0.0
    tune: str = "all"
    ema: float = 0.0
    supcon: float = 0.0

    def rng(self, state: TrainState) -> jax.Array:
        """Returns the key of the next step."""
        return jax.random.fold_in(jax.random.key(self.seed), state.step)

    def differentiate(
        self, params: Any, batch_stats: Any, image: jax.Array, label: jax.Array, rng: jax.Array
    ) -> Differentiated:
        """Differentiates the loss of images u8 [B, H, W, 3] with labels i32 [B]."""
        loss_of = get_objective(
            self.detector.architecture,
            self.loss,
            contrastive=self.contrastive,
            supcon=self.supcon,
        )

        trained, frozen = split(self.tune, params)

        def objective(trained: Any) -> tuple[jax.Array, Any]:
            variables = {"params": join(trained, frozen), "batch_stats": batch_stats}
            return loss_of(self.detector, variables, image, label, rng)

        (loss, (logit, stats)), gradients = jax.value_and_grad(objective, has_aux=True)(trained)
        return Differentiated(gradients, stats, loss, logit)

    def apply(
        self, state: TrainState, found: Differentiated, label: jax.Array, learning_rate: jax.Array
    ) -> tuple[TrainState, Scalars]:
        """Returns the state after the step, and its "loss", "grad_norm", "logit" and "label"."""
        trained, frozen = split(self.tune, state.variables["params"])
        direction, moments = self.optimizer.update(found.gradients, state.optimizer, trained)
        moved = optax.apply_updates(trained, optax.tree.scale(-learning_rate, direction))
        moved, moments = self._learned(found, (trained, state.optimizer), (moved, moments))
        variables = {"params": join(moved, frozen), "batch_stats": found.batch_stats}
        if self.ema:
            variables["average"] = self._averages(state, moved, found.batch_stats)
        stepped = TrainState(state.step + 1, variables, moments)
        scalars = {
            "loss": found.loss,
            "grad_norm": optax.tree.norm(found.gradients),
            "logit": found.logit,
            "label": label,
        }
        return _guarded(state, stepped, scalars) if self.skip_nonfinite else stepped, scalars

    def _learned(self, found: Differentiated, old: Any, new: Any) -> Any:
        """Returns the new parameters and moments, or the old ones of a step that only collects."""
        if self.detector.architecture.objective != "collect":
            return new
        return jax.tree.map(lambda was, is_: jnp.where(found.loss != 0, is_, was), old, new)

    def _averages(self, state: TrainState, trained: Any, batch_stats: Any) -> Any:
        """Returns the averages after a step, with whatever of the images is remembered as it is."""
        new = {"params": trained, "batch_stats": batch_stats}
        averages = optax.incremental_update(new, state.variables["average"], 1 - self.ema)
        if self.detector.architecture.objective == "collect":
            averages["batch_stats"] = batch_stats
        return averages


def _guarded(state: TrainState, stepped: TrainState, scalars: Scalars) -> TrainState:
    """Returns the stepped state where the scalars are finite, else the old one, its step counted.

    Not optax.apply_if_finite, which sees gradients alone: statistics would take a batch of NaN in.
    """
    finite = jnp.isfinite(scalars["loss"]) & jnp.isfinite(scalars["grad_norm"])
    kept: TrainState = jax.tree.map(lambda new, old: jnp.where(finite, new, old), stepped, state)
    return dataclasses.replace(kept, step=stepped.step)
