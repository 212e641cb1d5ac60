"""The training objectives: those that an architecture asks for by name, and losses of one's own."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxdet.config.dotted import look_up, running
from jaxdet.errors import UserError
from jaxdet.models.architectures import Architecture
from jaxdet.models.detector import Detector, Variables

# Cozzolino et al. 2018: what the reconstruction counts beside the activations.
_RECONSTRUCTION = 0.1

# (detector, variables, u8 [B, H, W, 3], i32 [B], key) -> loss, (logits [B], new batch_stats)
Objective = Callable[
    [Detector, Variables, jax.Array, jax.Array, jax.Array],
    tuple[jax.Array, tuple[jax.Array, dict[str, Any]]],
]


def binary_cross_entropy(logit: jax.Array, label: jax.Array) -> jax.Array:
    """Returns the mean over the batch of the cross-entropy of sigmoid(logit), a scalar.

    Logits are floats [B], labels i32 [B]. The same as torch's BCEWithLogitsLoss.
    """
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logit, label.astype(logit.dtype)))


def transfer_loss(
    activation: jax.Array, reconstruction: jax.Array, residual: jax.Array, label: jax.Array
) -> jax.Array:
    """Adds the activations' error against their class and the decoder's; Cozzolino et al. 2018.

    The mean over the batch of |a_0 - real| + |a_1 - fake| + 0.1 * mean |reconstruction - residual|.

    Args:
      activation: float [B, 2], of the maps for real and for fake.
      reconstruction: float [B, H, W, C].
      residual: float [B, H, W, C].
      label: i32 [B].
    """
    wanted = jax.nn.one_hot(label, 2, dtype=activation.dtype)
    active = jnp.abs(activation - wanted).sum(1).mean()
    return active + _RECONSTRUCTION * jnp.abs(reconstruction - residual).mean()


def _cross_entropy(
    detector: Detector, variables: Variables, image: jax.Array, label: jax.Array, rng: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, dict[str, Any]]]:
    logit, batch_stats = detector.apply_train(variables, image, rng=rng)
    return binary_cross_entropy(logit, label), (logit, batch_stats)


def _forensic_transfer(
    detector: Detector, variables: Variables, image: jax.Array, label: jax.Array, rng: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, dict[str, Any]]]:
    del rng
    found = detector.transfer(variables, image, label)
    residual = detector.residual(variables, image)
    loss = transfer_loss(found.activation, found.reconstruction, residual, label)
    return loss, (found.logit, variables["batch_stats"])


_OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    {"cross_entropy": _cross_entropy, "forensic_transfer": _forensic_transfer}
)


def get_objective(architecture: Architecture, loss: str) -> Objective:
    """Returns what a detector is trained by.

    Args:
      architecture: its own; says which loss is meant where none is named.
      loss: `optim.loss`.

    Raises:
      UserError: where there is none of that name, or the named one cannot be looked up.
    """
    if not loss:
        found = _OBJECTIVES.get(architecture.objective)
        if found is None:
            raise UserError(
                f"Architecture.objective: {architecture.objective!r} is none of "
                f"{', '.join(_OBJECTIVES)}; a loss of your own goes to optim.loss"
            )
        return found
    function = look_up("optim.loss", loss)

    def outside(
        detector: Detector, variables: Variables, image: jax.Array, label: jax.Array, rng: jax.Array
    ) -> tuple[jax.Array, tuple[jax.Array, dict[str, Any]]]:
        logit, batch_stats = detector.apply_train(variables, image, rng=rng)
        with running(f"optim.loss: {loss} fails"):
            value = jnp.asarray(function(logit, label))
        if value.shape or not jnp.issubdtype(value.dtype, jnp.floating):
            given = f"{value.dtype} {value.shape}"
            raise UserError(f"optim.loss: {loss} gives {given}, not a floating-point scalar")
        return value, (logit, batch_stats)

    return outside
