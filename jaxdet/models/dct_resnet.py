"""Puts ResNets behind a front-end that learns a scale for each cosine coefficient."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax

from jaxdet.models import pixels
from jaxdet.models.architectures import Architecture
from jaxdet.models.frontends.scaling import MinMax, Standard
from jaxdet.models.resnet import RESNET18, RESNET50


class Scaled(nn.Module):
    """Applies a network behind a front-end that learns a scale for each place of its input.

    Attributes:
      scaler: `MinMax` or `Standard`.
      network: float [B, H, W, C] to logits [B].
    """

    scaler: nn.Module
    network: nn.Module

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Returns logits, float [B], of float [B, H, W, C]; H and W are those of the first call."""
        logits: jax.Array = self.network(self.scaler(x, train=train), train=train)
        return logits

    @nn.nowrap
    def rematerialised(self) -> "Scaled":
        """Returns the same network, but one whose ResNet computes its maps twice."""
        return self.clone(network=self.network.rematerialised())

    def measure(self, x: jax.Array, valid: jax.Array) -> None:
        """Adds the rows of x, float [B, H, W, C], that are valid, bool [B], to the statistics."""
        self.scaler(x, measured=valid)


def _dct(
    scaler: type[nn.Module], resnet: Architecture, view: Callable[..., jax.Array], **facts: Any
) -> Architecture:
    return Architecture(
        build=lambda model: Scaled(scaler=scaler(), network=resnet.build(model)),
        pixels=view,
        fixed_size=True,
        **facts,
    )


# Frank and Holz 2020
DCT_RESNET18 = _dct(MinMax, RESNET18, pixels.dct_of_levels)
DCT_RESNET50 = _dct(MinMax, RESNET50, pixels.dct_of_levels)
# Frank et al., ICML 2020
DCT_LOG_RESNET18 = _dct(Standard, RESNET18, pixels.log_dct_of_levels, measured=True)
