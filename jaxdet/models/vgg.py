"""Defines VGG-11 without and with batch normalisation, with torchvision's names and geometry.

Simonyan and Zisserman, ICLR 2015, configuration A. Layer names are torchvision's with
`features.0` written `features_0`; the numbers count ReLUs and pools too, which have no
parameters.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdet.config.model import Model
from jaxdet.models.architectures import Architecture, norm_options
from jaxdet.models.evidence import last_map
from jaxdet.models.extent import keep_inside
from jaxdet.models.norm import BatchNorm
from jaxdet.models.pooling import max_pool

# Channels of each convolution over the first one's; None: a pool that halves the map.
_STAGES = (1, None, 2, None, 4, 4, None, 8, 8, None, 8, 8, None)
# Side of the map that the classifier reads, pixels.
_MAP = 7
_DROPPED = 0.5

# torchvision: kaiming_normal_(mode="fan_out", nonlinearity="relu") and normal_(0, 0.01).
_conv_init = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
_dense_init = nn.initializers.normal(0.01)


class VGG(nn.Module):
    """Scores a batch of images with one logit each.

    In training half of the outputs of each of the classifier's hidden layers are dropped.

    Attributes:
      batch_norm: whether a normalisation follows each convolution.
      width: channels of the first convolution; the classifier is 64 times as wide.
      unbiased, norm_groups: see `BatchNorm`.
      head_deviation: of the normal weights that the last layer starts with.
    """

    batch_norm: bool
    width: int = 64
    unbiased: bool = True
    norm_groups: int = 1
    head_deviation: float = 0.02

    @nn.compact
    def __call__(self, x: jax.Array, size: jax.Array | None = None, *, train: bool) -> jax.Array:
        """Returns the logits, float [B], of normalised float [B, H, W, 3].

        For `size` see `models/extent.py`.
        """
        x, size = self._features(keep_inside(x, size), size, train=train)
        x = adaptive_mean(last_map(self, x), size, side=_MAP)
        x = x.reshape(x.shape[0], -1)
        drop = partial(nn.Dropout, rate=_DROPPED, deterministic=not train)
        dense = partial(nn.Dense, kernel_init=_dense_init)
        x = drop(name="classifier_2")(nn.relu(dense(64 * self.width, name="classifier_0")(x)))
        x = drop(name="classifier_5")(nn.relu(dense(64 * self.width, name="classifier_3")(x)))
        head_init = nn.initializers.normal(self.head_deviation)
        return nn.Dense(1, kernel_init=head_init, name="classifier_6")(x)[:, 0]

    def _features(
        self, x: jax.Array, size: jax.Array | None, *, train: bool
    ) -> tuple[jax.Array, jax.Array | None]:
        """Returns the map before the classifier, and each image's extent in it."""
        number = 0
        for factor in _STAGES:
            if factor is None:
                x = max_pool(x, (2, 2), strides=(2, 2))
                size = None if size is None else size // 2
                x = keep_inside(x, size)
                self.sow("intermediates", f"features_{number}", x)
                number += 1
                continue
            x = nn.Conv(
                self.width * factor,
                (3, 3),
                padding=1,
                kernel_init=_conv_init,
                name=f"features_{number}",
            )(x)
            if self.batch_norm:
                norm = BatchNorm(self.unbiased, self.norm_groups, name=f"features_{number + 1}")
                x = norm(x, train=train)
            x = keep_inside(nn.relu(x), size)
            number += 3 if self.batch_norm else 2
        return x, size


def adaptive_mean(x: jax.Array, size: jax.Array | None, *, side: int) -> jax.Array:
    """Averages over `side` x `side` windows that cover each image, as torch's AdaptiveAvgPool2d.

    Float [B, H, W, C] to [B, side, side, C]. Windows overlap, or repeat pixels, where `side`
    does not divide the map.
    """
    if size is None and x.shape[1:3] == (side, side):
        return x
    if size is None:
        size = jnp.array([x.shape[1:3]])
    rows = _windows(size[:, 0], x.shape[1], side).astype(x.dtype)
    columns = _windows(size[:, 1], x.shape[2], side).astype(x.dtype)
    # Means of bfloat16 products, or TF32's, would not be torch's.
    return jnp.einsum(
        "brh,bcw,bhwk->brck",
        jnp.broadcast_to(rows, (x.shape[0], *rows.shape[1:])),
        jnp.broadcast_to(columns, (x.shape[0], *columns.shape[1:])),
        x,
        precision=jax.lax.Precision.HIGHEST,
    )


def _windows(size: jax.Array, length: int, side: int) -> jax.Array:
    """Returns the weights, [B, side, length], of the mean over each of `side` windows.

    Window i covers floor(i n / side) <= p < ceil((i + 1) n / side) of an image of n pixels.
    """
    i, position = jnp.arange(side)[:, None], jnp.arange(length)
    n = size[:, None, None]
    inside = (position >= i * n // side) & (position < -(-(i + 1) * n // side))
    return inside / inside.sum(-1, keepdims=True)


def _vgg(*, batch_norm: bool) -> Architecture:
    def build(model: Model) -> VGG:
        options = norm_options(model)
        return VGG(batch_norm=batch_norm, head_deviation=model.head_deviation, **options)

    return Architecture(build=build, any_size=True, smallest=32, located=True)


VGG11 = _vgg(batch_norm=False)
VGG11_BN = _vgg(batch_norm=True)
