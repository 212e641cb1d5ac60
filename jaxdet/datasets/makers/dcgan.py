"""Trains DCGAN (Radford et al., https://arxiv.org/abs/1511.06434), one of the GANs of Xuan et al.

The generator is shared with `wgan_gp`. Every doubling is a transposed convolution 4x4 of stride 2,
the last layer too: nothing behind it could learn to wipe its trace off.
"""

import abc
import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from jaxdet.datasets.makers.game import Game, Losses, State, compiled, finish, updating
from jaxdet.datasets.makers.sets import CutSettings

NOISE = 100  # numbers behind one image
RATE = 2e-4  # of Adam, section 4
SIZES = (32, 64, 128, 256)
# Weights ~ N(0, 0.02), gains of normalisation ~ N(1, 0.02): section 4 of the paper, and torch's
# example for the gains.
_NORMAL = nn.initializers.normal(0.02)


def _around_one(key: jax.Array, shape: Any, dtype: Any = jnp.float32) -> jax.Array:
    return 1 + 0.02 * jax.random.normal(key, shape, dtype)


@dataclass(frozen=True)
class DcganSettings(CutSettings):
    """Holds the settings that the dataset is a function of.

    Rates and batch are the paper's, steps ours.
    """

    method: str = "dcgan"
    size: int = 128  # as Xuan et al.
    width: int = 64  # channels of the discriminator's first layer
    steps: int = 20_000
    batch_size: int = 128

    def __post_init__(self) -> None:
        """Raises UserError for a value that cannot be."""
        super().__post_init__()
        self.one_of("size", SIZES)
        self.at_least(1, "width", "steps")
        self.at_least(2, "batch_size")  # one image has no statistics


class Generator(nn.Module):
    """Turns noise into an image by transposed convolutions; halves the channels as sides double."""

    size: int
    width: int  # channels before the last layer

    @nn.compact
    def __call__(self, noise: jax.Array, *, train: bool) -> jax.Array:
        """Generates images: f32 [B, NOISE] -> f32 [B, size, size, 3] in -1..1.

        `train` normalises by the batch.
        """
        channels = self.width * self.size // 8  # 4x4 pixels, then size / 8 halvings of channels
        x = nn.ConvTranspose(
            channels, (4, 4), padding="VALID", use_bias=False, kernel_init=_NORMAL
        )(noise[:, None, None, :])
        while channels > self.width:
            channels //= 2
            x = nn.relu(_batch_norm(train)(x))
            x = _doubled(channels, use_bias=False)(x)
        x = nn.relu(_batch_norm(train)(x))
        return jnp.tanh(_doubled(3)(x))


class Discriminator(nn.Module):
    """Scores an image by one number, normalised by the batch.

    Convolutions 4x4 of stride 2 lead down to 4x4 pixels, one more to the number.
    """

    width: int

    @nn.compact
    def __call__(self, image: jax.Array) -> jax.Array:
        """Scores images: f32 [B, S, S, 3] -> logits f32 [B], above 0 = real."""
        x, channels = nn.leaky_relu(_halved(self.width)(image), 0.2), self.width
        while x.shape[1] > 4:
            channels *= 2
            x = _batch_norm(train=True)(_halved(channels, use_bias=False)(x))
            x = nn.leaky_relu(x, 0.2)
        return nn.Conv(1, (4, 4), padding="VALID", kernel_init=_NORMAL)(x)[:, 0, 0, 0]


def _batch_norm(train: bool) -> nn.BatchNorm:
    return nn.BatchNorm(use_running_average=not train, momentum=0.9, scale_init=_around_one)


def _doubled(channels: int, *, use_bias: bool = True) -> nn.ConvTranspose:
    return nn.ConvTranspose(
        channels, (4, 4), strides=(2, 2), use_bias=use_bias, kernel_init=_NORMAL
    )


def _halved(channels: int, *, use_bias: bool = True) -> nn.Conv:
    return nn.Conv(
        channels, (4, 4), strides=(2, 2), padding=1, use_bias=use_bias, kernel_init=_NORMAL
    )


def discriminator_loss(real: jax.Array, fake: jax.Array) -> jax.Array:
    """Returns the cross-entropy of logits [B] on reals (1) and fakes (0), the sum of both means."""
    return jax.nn.softplus(-real).mean() + jax.nn.softplus(fake).mean()


def generator_loss(fake: jax.Array) -> jax.Array:
    """Returns the non-saturating loss: cross-entropy of logits [B] on fakes, taken for reals."""
    return jax.nn.softplus(-fake).mean()


class NoiseGame(Game):
    """Trains a `Generator`, which draws images of noise."""

    @property
    def generator(self) -> Generator:
        """Returns the network."""
        return Generator(self.settings.size, self.settings.width)

    @property
    @abc.abstractmethod
    def discriminator(self) -> nn.Module:
        """Returns the network that judges images, f32 [B, S, S, 3] -> f32 [B]."""

    @compiled
    def init(self) -> State:
        """Returns the state before the first update."""
        keys = jax.random.split(jax.random.key(self.settings.seed))
        blank = jnp.zeros((2, self.settings.size, self.settings.size, 3))
        return self.start(
            generator=self.generator.init(keys[0], jnp.zeros((2, NOISE)), train=True),
            discriminator=self.discriminator.init(keys[1], blank),
        )

    def noise(self, key: jax.Array) -> jax.Array:
        """Returns the noise of a batch, f32 [batch_size, NOISE]."""
        return jax.random.normal(key, (self.settings.batch_size, NOISE))

    def generate(self, state: State, params: Any, noise: jax.Array) -> Any:
        """Returns fakes of noise [B, NOISE] by batch statistics, and the running ones after it."""
        variables = {**state["generator"], "params": params}
        return self.generator.apply(variables, noise, train=True, mutable=["batch_stats"])

    @compiled
    def draw(self, state: State, crops: np.ndarray, rows: np.ndarray) -> Any:
        """Returns a fake for each row, a function of its number, by the running statistics."""
        key = jax.random.fold_in(jax.random.key(self.settings.seed), 1)
        keys = jax.vmap(functools.partial(jax.random.fold_in, key))(rows)
        noise = jax.vmap(functools.partial(jax.random.normal, shape=(NOISE,)))(keys)
        return self.generator.apply(state["generator"], noise, train=False)


class Dcgan(NoiseGame):
    """Trains a DCGAN."""

    adam = optax.adam(RATE, b1=0.5)

    @property
    def discriminator(self) -> Discriminator:
        """Returns the network that judges images."""
        return Discriminator(self.settings.width)

    def judge(self, params: Any, state: State, image: jax.Array) -> Any:
        """Returns logits f32 [B] of images."""
        variables = {**state["discriminator"], "params": params}
        return self.discriminator.apply(variables, image, mutable=["batch_stats"])[0]

    @updating
    def update(self, state: State, images: jax.Array) -> tuple[State, Losses]:
        """Returns the state after a step of each network, the discriminator first."""
        keys = jax.random.split(self.key(state))
        batch, noise = self.batch(images, key=keys[0]), self.noise(keys[1])

        def loss_d(params: Any, fake: jax.Array) -> jax.Array:
            real = self.judge(params, state, batch)
            return discriminator_loss(real, self.judge(params, state, fake))

        def loss_g(params: Any, state: State) -> tuple[jax.Array, Any]:
            fake, stats = self.generate(state, params, noise)
            return generator_loss(self.judge(state["discriminator"]["params"], state, fake)), stats

        fake, _ = self.generate(state, state["generator"]["params"], noise)
        value_d, gradient = jax.value_and_grad(loss_d)(state["discriminator"]["params"], fake)
        state = self.descend(state, "discriminator", gradient)
        grad_g = jax.value_and_grad(loss_g, has_aux=True)
        (value_g, stats), gradient = grad_g(state["generator"]["params"], state)
        state = self.descend(state, "generator", gradient, stats)
        return finish(state), {"discriminator": value_d, "generator": value_g}
