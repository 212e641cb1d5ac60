"""Defines ForensicTransfer, Cozzolino et al. 2018, arXiv 1812.02510: a latent space in two halves.

An autoencoder of image residuals. One half of its latent maps is to be active for real images
and silent for fakes, the other the reverse, and the decoder sees the half of the true class
alone. Channels and strides are those of a third party's adaptation; parts are not verified
against the authors' code, which was never released.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdet.models import pixels
from jaxdet.models.architectures import Architecture
from jaxdet.models.detector import Transferred

# Channels over the first one's, and the strides, of the encoder; the decoder goes back.
_ENCODER = ((1, 1), (2, 2), (4, 2), (8, 2), (16, 2))
_init = nn.initializers.variance_scaling(2.0, "fan_in", "normal")


class ForensicTransfer(nn.Module):
    """Scores a batch of residuals with one logit each.

    Attributes:
      width: channels of the first convolution, 8 as published; the latent maps are 16 times as
        many.
      channels: of the residual.
    """

    width: int = 8
    channels: int = 6

    def setup(self) -> None:
        """Creates the layers, which scoring and training share."""
        self.encoder = [self._conv(f, s) for f, s in _ENCODER]
        self.decoder = [self._conv(f, 1) for f, _ in reversed(_ENCODER[:-1])]
        self.last = nn.Conv(self.channels, (3, 3), padding=1)

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Returns logits, float [B], of float [B, H, W, C]; the decoder's output is ignored."""
        del train
        label = jnp.zeros(x.shape[0], jnp.int32)
        return self.transfer(x, label).logit

    def transfer(self, x: jax.Array, label: jax.Array) -> Transferred:
        """Returns the activations, and the residual as decoded from the maps of the true class.

        Args:
          x: float [B, H, W, C], H and W multiples of 16.
          label: i32 [B], 1 = fake.
        """
        latent = x
        for layer in self.encoder:
            latent = nn.relu(layer(latent))
        halves = latent.reshape(*latent.shape[:3], 2, -1)
        activation = jnp.abs(halves).mean((1, 2, 4))
        own = jax.nn.one_hot(label, 2, dtype=x.dtype)
        decoded = (halves * own[:, None, None, :, None]).reshape(latent.shape)
        for layer in self.decoder:
            decoded = nn.relu(layer(decoded.repeat(2, axis=1).repeat(2, axis=2)))
        return Transferred(activation, self.last(decoded))

    def _conv(self, factor: int, stride: int) -> nn.Conv:
        return nn.Conv(self.width * factor, (3, 3), strides=stride, padding=1, kernel_init=_init)


FORENSIC_TRANSFER = Architecture(
    build=lambda model: ForensicTransfer(width=model.width),
    pixels=pixels.third_order,
    smallest=16,
    multiple=16,
    objective="forensic_transfer",
)
