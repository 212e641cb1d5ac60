"""Looks at what the last layer of a network makes its logit of: a dense layer of one output."""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class BeforeLogit:
    """Applies a network, and gives the logit and after it what its last dense layer took.

    Attributes:
      network: floats to logits.
    """

    network: Any

    def apply(self, variables: Any, *arguments: Any, **options: Any) -> jax.Array:
        """Returns f32 [B, 1 + D]; see `Detector.apply` for what it takes."""
        taken: list[jax.Array] = []
        with nn.intercept_methods(_noting(lambda layer, x: taken.append(x))):
            logits = self.network.apply(variables, *arguments, **options)
        columns = (logits[:, None], taken[-1])
        return jnp.concatenate([one.astype(jnp.float32) for one in columns], axis=1)


def find_last_layer(score: Callable[..., jax.Array], *arguments: Any) -> tuple[str, ...]:
    """Returns where in `params` the layer of the logit lies; () where no such layer is the last.

    Args:
      score: what gives the logits.
      arguments: of it, or their shapes; nothing is computed.
    """
    paths: list[tuple[str, ...]] = [()]

    def note(layer: nn.Dense, x: jax.Array) -> None:
        paths.append(layer.path if layer.features == 1 and x.ndim == 2 else ())

    with nn.intercept_methods(_noting(note)):
        jax.eval_shape(score, *arguments)
    return paths[-1]


def _noting(note: Callable[[nn.Dense, jax.Array], None]) -> Callable[..., Any]:
    def intercept(call: Any, arguments: Any, options: Any, context: Any) -> Any:
        if isinstance(context.module, nn.Dense) and context.method_name == "__call__":
            note(context.module, arguments[0])
        return call(*arguments, **options)

    return intercept
