"""Defines the network of Nataraj et al. 2019 for co-occurrence matrices.

"Detecting GAN generated fake images using co-occurrence matrices"; its sizes are those of the
copy in GRIP's comparison.
"""

import flax.linen as nn
import jax

from jaxdet.models import pixels
from jaxdet.models.architectures import Architecture
from jaxdet.models.pooling import max_pool

# Channels over the first one's; each stage is a 3x3 and a 5x5 convolution, then a pool.
_STAGES = (1, 2, 4)
_init = nn.initializers.variance_scaling(2.0, "fan_in", "normal")


class CooccurrenceCNN(nn.Module):
    """Scores co-occurrence matrices with one logit each.

    Attributes:
      width: channels of the first convolution, 32 as published.
    """

    width: int = 32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Returns the logits, float [B], of float [B, 256, 256, 3]."""
        del train
        for stage, factor in enumerate(_STAGES):
            for size in (3, 5):
                # Only the first of all convolutions has a stride.
                stride = 2 if (stage, size) == (0, 3) else 1
                x = nn.Conv(
                    self.width * factor,
                    (size, size),
                    strides=stride,
                    padding="VALID",
                    kernel_init=_init,
                    name=f"conv{stage}_{size}",
                )(x)
                x = nn.relu(x)
            x = max_pool(x, (2, 2), strides=(2, 2))
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(nn.Dense(8 * self.width, kernel_init=_init, name="fc1")(x))
        return nn.Dense(1, name="fc2")(x)[:, 0]


COOCCURRENCE = Architecture(
    build=lambda model: CooccurrenceCNN(width=model.width),
    pixels=pixels.pairs_of_levels,
    smallest=2,
)
