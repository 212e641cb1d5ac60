"""Checks networks of one's own for what is asked of a detector, before any work starts."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxdet.config.dotted import is_dotted, running
from jaxdet.config.model import Model
from jaxdet.errors import UserError
from jaxdet.models.detector import Detector, Variables, get_detector


def check_outside(model: Model, *, side: int) -> None:
    """Checks that a network of one's own gives logits, and what else its Architecture says.

    By shapes alone: nothing is computed. Networks of the table are passed over.

    Args:
      model: names the network.
      side: of the crops that it is trained on, pixels.

    Raises:
      UserError: where it fails or gives anything else, with what to set.
    """
    if not is_dotted(model.name):
        return
    detector = get_detector(model)
    for failure, call in _calls(detector).items():
        with running(f"model.name: {model.name} {failure}"):
            logits = _shape(detector, call, images=2 * model.norm_groups, side=side)
        if logits != (2 * model.norm_groups,):
            raise UserError(f"model.name: {model.name} gives {logits}, not logits [B]")


# What is asked of a network: its logits of images.
Call = Callable[[Variables, jax.Array], jax.Array]


def _calls(detector: Detector) -> dict[str, Call]:
    """Returns what a detector does with its network, each with what is wrong where that fails."""

    def train(variables: Variables, image: jax.Array) -> jax.Array:
        return detector.apply_train(variables, image, rng=jax.random.key(0))[0]

    def score_any_size(variables: Variables, image: jax.Array) -> jax.Array:
        return detector.apply(variables, image, jnp.full((len(image), 2), image.shape[1]))

    def locate(variables: Variables, image: jax.Array) -> jax.Array:
        return detector.evidence(variables, image)[0]

    calls: dict[str, Call] = {"fails in training": train, "fails in scoring": detector.apply}
    if detector.architecture.any_size:
        calls[
            "takes no sizes of images, i32 [B, 2], behind the pixels: set any_size=False in its "
            "Architecture"
        ] = score_any_size
    if detector.architecture.located:
        calls[
            "passes no map through jaxdet.models.evidence.last_map: set located=False in its "
            "Architecture"
        ] = locate
    return calls


def _shape(detector: Detector, call: Call, *, images: int, side: int) -> Any:
    def logits() -> jax.Array:
        variables = detector.init(jax.random.key(0), size=side)
        return call(variables, jnp.zeros((images, side, side, 3), jnp.uint8))

    return jnp.shape(jax.eval_shape(logits))
