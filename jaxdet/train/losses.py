"""Computes the training objectives: those that an architecture names, and losses of one's own."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxdet.config.dotted import look_up, running
from jaxdet.errors import UserError
from jaxdet.models.architectures import Architecture
from jaxdet.models.detector import Detector, Variables
from jaxdet.models.probes import unit

# Cozzolino et al. 2018: what the reconstruction counts beside the activations.
_RECONSTRUCTION = 0.1
# Above what a square of the distance of two equal vectors of norm 1 comes to in float32.
_ROUNDING = 1e-6
# Of the supervised contrastive loss.
_TEMPERATURE = 0.07

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


def contrastive_loss(embedding: jax.Array, label: jax.Array) -> jax.Array:
    """Returns what draws embeddings of one label together and pushes those of two apart, a scalar.

    The mean distance of the pairs of one label, and the mean of 1 - distance over the pairs of
    both labels that are nearer than 1, of embeddings of norm 1. The same as the ContrastiveLoss of
    pytorch-metric-learning, with which DDA (networks/trainer.py) and DRCT (utils/losses.py) train.
    Distances come from a matrix product, as from torch.cdist; one below 0.001 counts as 0.

    Args:
      embedding: float [B, D].
      label: i32 [B].
    """
    vectors = unit(embedding.astype(jnp.float32))
    alike = jnp.matmul(vectors, vectors.T, precision="highest")
    norms = jnp.diagonal(alike)
    square = norms[:, None] + norms[None] - 2 * alike
    # A root has no gradient at 0, where an embedding meets itself or its like up to rounding.
    is_apart = square > _ROUNDING
    distance = jnp.where(is_apart, jnp.sqrt(jnp.where(is_apart, square, 1)), 0)
    is_same = label[:, None] == label[None]
    terms = (jnp.where(is_same, distance, 0), jnp.where(is_same, 0, jnp.maximum(0, 1 - distance)))
    means = (term.sum() / jnp.maximum(1, (term > 0).sum()) for term in terms)
    return sum(means, start=jnp.zeros(()))


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


def supervised_contrast(embedding: jax.Array, label: jax.Array) -> jax.Array:
    """Returns the supervised contrastive loss of a batch, a scalar; Khosla et al. 2020.

    With one view of each image and a temperature of 0.07, as SupContrast's code; an image that is
    alone with its label adds nothing.

    Args:
      embedding: float [B, D]; each is divided by its norm here.
      label: i32 [B].
    """
    vectors = unit(embedding)
    others = ~jnp.eye(len(label), dtype=bool)
    alike = others & (label[:, None] == label[None])
    logits = jnp.matmul(vectors, vectors.T, precision="highest") / _TEMPERATURE
    logits = logits - jax.nn.logsumexp(logits, axis=1, where=others, keepdims=True)
    means = jnp.where(alike, logits, 0).sum(1) / jnp.maximum(alike.sum(1), 1)
    return -means.mean()


def _rine(
    detector: Detector,
    variables: Variables,
    image: jax.Array,
    label: jax.Array,
    rng: jax.Array,
    *,
    supcon: float,
) -> tuple[jax.Array, tuple[jax.Array, dict[str, Any]]]:
    """Returns the published sum over the size of the batch, which Adam does not notice."""
    logit, embedding = detector.contrast(variables, image, rng=rng)
    loss = binary_cross_entropy(logit, label)
    if supcon:
        loss += supcon / len(label) * supervised_contrast(embedding, label)
    return loss, (logit, variables["batch_stats"])


def _collect(
    detector: Detector, variables: Variables, image: jax.Array, label: jax.Array, rng: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, dict[str, Any]]]:
    """Returns the loss of logits by what was collected before the batch, 0 until that is enough."""
    del rng
    logit, counts, batch_stats = detector.collect(variables, image, label)
    return counts * binary_cross_entropy(logit, label), (logit, batch_stats)


def _cross_entropy(
    detector: Detector, variables: Variables, image: jax.Array, label: jax.Array, rng: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, dict[str, Any]]]:
    logit, batch_stats = detector.apply_train(variables, image, rng=rng)
    return binary_cross_entropy(logit, label), (logit, batch_stats)


def _with_contrast(share: float) -> Objective:
    """Returns cross-entropy with a share of `contrastive_loss`, of a network on a tower."""

    def objective(
        detector: Detector, variables: Variables, image: jax.Array, label: jax.Array, rng: jax.Array
    ) -> tuple[jax.Array, tuple[jax.Array, dict[str, Any]]]:
        logit, embedding = detector.contrast(variables, image, rng=rng)
        crossed = (1 - share) * binary_cross_entropy(logit, label)
        loss = crossed + share * contrastive_loss(embedding, label)
        return loss, (logit, variables["batch_stats"])

    return objective


def _forensic_transfer(
    detector: Detector, variables: Variables, image: jax.Array, label: jax.Array, rng: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, dict[str, Any]]]:
    del rng
    found = detector.transfer(variables, image, label)
    residual = detector.residual(variables, image)
    loss = transfer_loss(found.activation, found.reconstruction, residual, label)
    return loss, (found.logit, variables["batch_stats"])


_OBJECTIVES: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "cross_entropy": _cross_entropy,
        "forensic_transfer": _forensic_transfer,
        "rine": _rine,
        "collect": _collect,
    }
)


def get_objective(
    architecture: Architecture, loss: str, *, contrastive: float = 0.0, supcon: float = 0.0
) -> Objective:
    """Returns what a detector is trained by.

    Args:
      architecture: its own; says which loss is meant where none is named.
      loss: `optim.loss`.
      contrastive: `optim.contrastive`.
      supcon: `optim.supcon`.

    Raises:
      UserError: where there is none of that name, or the named one cannot be looked up.
    """
    if contrastive:
        return _with_contrast(contrastive)
    if not loss:
        found: Objective | None = _OBJECTIVES.get(architecture.objective)
        if found is None:
            raise UserError(
                f"Architecture.objective: {architecture.objective!r} is none of "
                f"{', '.join(_OBJECTIVES)}; a loss of your own goes to optim.loss"
            )
        return partial(found, supcon=supcon) if found is _rine else found
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
