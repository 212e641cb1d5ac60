"""Defines the discriminator of DCGAN as a detector, as Xuan et al. 2019 train it.

Radford et al., ICLR 2016; Xuan et al., "On the generalization of GAN image forensics".
"""

import flax.linen as nn
import jax

from jaxdet.models import pixels
from jaxdet.models.architectures import Architecture, norm_options
from jaxdet.models.evidence import last_map
from jaxdet.models.norm import BatchNorm

# Channels of each convolution over the first one's.
_STAGES = (1, 2, 4, 8)
_SLOPE = 0.2
_init = nn.initializers.normal(0.02)


class Discriminator(nn.Module):
    """Scores square images of a fixed side with one logit each.

    Attributes:
      width: channels of the first convolution, 64 as published.
      unbiased, norm_groups: see `BatchNorm`.
    """

    width: int = 64
    unbiased: bool = True
    norm_groups: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Returns logits, float [B], of float [B, H, W, 3]; H and W are those of the first call."""
        for number, factor in enumerate(_STAGES):
            x = nn.Conv(
                self.width * factor,
                (4, 4),
                strides=2,
                padding=1,
                use_bias=False,
                kernel_init=_init,
                name=f"conv{number}",
            )(x)
            if number:
                norm = BatchNorm(self.unbiased, self.norm_groups, name=f"bn{number}")
                x = norm(x, train=train)
            x = nn.leaky_relu(x, _SLOPE)
        x = last_map(self, x).reshape(x.shape[0], -1)
        return nn.Dense(1, kernel_init=_init, name="fc")(x)[:, 0]


DCGAN = Architecture(
    build=lambda model: Discriminator(**norm_options(model)),
    pixels=pixels.symmetric,
    fixed_size=True,
    smallest=16,
    multiple=16,
    located=True,
)
