"""What training changes: one pytree that is stepped, saved and restored as a whole."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from jaxdet import config as schema
from jaxdet.models.detector import Detector, Variables
from jaxdet.runtime.mesh import put_replicated, replicated
from jaxdet.train.sgd import torch_sgd


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Holds the arrays of a run.

    Attributes:
      step: i32 scalar, updates done.
      variables: {"params", "batch_stats"} of the detector.
      optimizer: moments of Adam, or momentum of SGD.
    """

    step: jax.Array
    variables: Variables
    optimizer: Any


def make_optimizer(optim: schema.Optim) -> optax.GradientTransformation:
    """Returns the transformation of gradients that gives the direction of an update.

    The learning rate is left to the step, as an argument.
    """
    if optim.name == "sgd":
        return torch_sgd(
            momentum=optim.momentum, dampening=optim.dampening, weight_decay=optim.weight_decay
        )
    return optax.scale_by_adam(b1=optim.beta1, b2=optim.beta2, eps=optim.epsilon)


def new_state(config: schema.Config, variables: Variables, mesh: Mesh) -> TrainState:
    """Returns the state before the first step, replicated on each device."""
    optimizer = make_optimizer(config.optim).init(variables["params"])
    state = TrainState(jnp.zeros((), jnp.int32), variables, optimizer)
    placed: TrainState = put_replicated(mesh, state)
    return placed


def abstract_state(config: schema.Config, detector: Detector, mesh: Mesh) -> TrainState:
    """Returns the state's shapes, dtypes and shardings, without any array: what a restore needs."""

    def build() -> TrainState:
        variables = detector.init(jax.random.key(0), size=config.augment.crop)
        optimizer = make_optimizer(config.optim).init(variables["params"])
        return TrainState(jnp.zeros((), jnp.int32), variables, optimizer)

    sharding = replicated(mesh)
    shapes: TrainState = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        jax.eval_shape(build),
    )
    return shapes
