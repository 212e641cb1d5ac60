"""Holds what training changes: one pytree that is stepped, saved and restored as a whole."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from jaxdet.config.model import Model
from jaxdet.config.schema import Config
from jaxdet.config.training import Optim
from jaxdet.models.adapters import adapted
from jaxdet.models.detector import Detector, Variables, host
from jaxdet.runtime.mesh import put_replicated, replicated
from jaxdet.train.layer_decay import scale_by_depth
from jaxdet.train.sgd import torch_sgd
from jaxdet.train.tuning import split


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Holds the arrays of a run.

    Attributes:
      step: i32 scalar, updates done.
      variables: {"params", "batch_stats"} of the detector, with adapters where it has some; with
        `optim.ema` also "average", of the parameters that are trained and of the statistics.
      optimizer: moments of Adam, or momentum of SGD, of the parameters that are trained.
    """

    step: jax.Array
    variables: Variables
    optimizer: Any


Scalars = dict[str, jax.Array]
# A learning rate is a f32 scalar on the devices; one of Python's is brought there.
Rate = jax.Array | float
TrainStep = Callable[[TrainState, jax.Array, jax.Array, Rate], tuple[TrainState, Scalars]]


def make_optimizer(optim: Optim) -> optax.GradientTransformation:
    """Returns the transformation of gradients that gives the direction of an update.

    The learning rate is left to the step, as an argument.
    """
    direction = optax.scale_by_adam(b1=optim.beta1, b2=optim.beta2, eps=optim.epsilon)
    if optim.name == "sgd":
        direction = torch_sgd(
            momentum=optim.momentum, dampening=optim.dampening, weight_decay=optim.weight_decay
        )
    elif optim.name == "adamw":
        # Of all parameters, biases and normalisations too, as torch.optim.AdamW.
        direction = optax.chain(direction, optax.add_decayed_weights(optim.weight_decay))
    if optim.layer_decay < 1:
        direction = optax.chain(direction, scale_by_depth(optim.layer_decay))
    return direction


def new_state(config: Config, variables: Variables, mesh: Mesh) -> TrainState:
    """Returns the state before the first step, replicated on each device."""
    with jax.default_device(host()):
        state = unplaced_state(config.model, config.optim, variables, seed=config.seed)
    placed: TrainState = put_replicated(mesh, state)
    return placed


def unplaced_state(
    model: Model, optim: Optim, variables: Variables, *, seed: int = 0
) -> TrainState:
    """Returns the state before the first step of a network with these variables."""
    params = adapted(model, variables["params"], seed=seed)
    trained, _ = split(model.tune, params)
    variables = {**variables, "params": params}
    if optim.ema:
        variables["average"] = {"params": trained, "batch_stats": variables["batch_stats"]}
    return TrainState(jnp.zeros((), jnp.int32), variables, make_optimizer(optim).init(trained))


def abstract_state(config: Config, detector: Detector, mesh: Mesh) -> TrainState:
    """Returns the state's shapes, dtypes and shardings, without any array: what a restore needs."""

    def build() -> TrainState:
        variables = detector.init(jax.random.key(0), size=config.augment.crop)
        return unplaced_state(config.model, config.optim, variables)

    sharding = replicated(mesh)
    shapes: TrainState = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        jax.eval_shape(build),
    )
    return shapes
