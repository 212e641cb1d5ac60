"""Computes dense layers with the low-rank matrices of `adapters`, where they have some."""

import flax.linen as nn
import jax

from jaxdet.models.adapters import NARROW


class AdaptedDense(nn.Dense):
    """Transforms by a dense layer, and by its adapter where the parameters have one."""

    def __call__(self, x: jax.Array, narrow: jax.Array | None = None) -> jax.Array:
        """Returns [..., out] of [..., in], in the dtype of the layer.

        Args:
          x: what is transformed.
          narrow: the same through the first matrix of an adapter that is shared, [..., r]; None
            where the adapter, if there is one, is the layer's own.
        """
        y: jax.Array = super().__call__(x)
        narrow = narrowed(self, x) if narrow is None else narrow
        if narrow is None:
            return y
        outwards: jax.Array = self.get_variable("params", "adapter_out")
        return y + narrow @ outwards


def narrowed(module: nn.Module, x: jax.Array) -> jax.Array | None:
    """Returns [..., r] of [..., in] by the first matrix of a module's adapter; None without one."""
    if not module.has_variable("params", NARROW[0]):
        return None
    parts: list[jax.Array] = [module.get_variable("params", name) for name in NARROW]
    inwards, scale = (part.astype(x.dtype) for part in parts)
    return (x @ inwards) * scale
