"""Trains WGAN-GP (Gulrajani et al., https://arxiv.org/abs/1704.00028), a GAN of Xuan et al."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from jaxdet.datasets.makers.dcgan import SIZES, NoiseGame
from jaxdet.datasets.makers.game import Losses, State, finish, updating
from jaxdet.datasets.makers.sets import CutSettings

RATE = 1e-4  # of Adam
PENALTY = 10.0  # weight of the gradient penalty, algorithm 1 of the paper


@dataclass(frozen=True)
class WganGpSettings(CutSettings):
    """Holds the settings that the dataset is a function of.

    Rates, batch and critic steps are the source's.
    """

    method: str = "wgan_gp"
    size: int = 128  # as Xuan et al.
    width: int = 64  # channels of the critic's first layer
    steps: int = 20_000  # of the generator; ours
    batch_size: int = 64
    critic_steps: int = 5

    def __post_init__(self) -> None:
        """Raises UserError for a value that cannot be."""
        super().__post_init__()
        self.one_of("size", SIZES)
        self.at_least(1, "width", "steps", "critic_steps")
        self.at_least(2, "batch_size")


class Critic(nn.Module):
    """Scores images as DCGAN's discriminator does, but with layer normalisation.

    The penalty of each image needs it.
    """

    width: int

    @nn.compact
    def __call__(self, image: jax.Array) -> jax.Array:
        """Scores images: f32 [B, S, S, 3] -> f32 [B], greater for reals."""
        x, channels = nn.leaky_relu(_halved(self.width)(image), 0.2), self.width
        while x.shape[1] > 4:
            channels *= 2
            x = nn.leaky_relu(nn.GroupNorm(num_groups=1)(_halved(channels)(x)), 0.2)
        return nn.Conv(1, (4, 4), padding="VALID")(x)[:, 0, 0, 0]


def _halved(channels: int) -> nn.Conv:
    return nn.Conv(channels, (4, 4), strides=(2, 2), padding=1)


def gradient_penalty(
    critic: Callable[[jax.Array], jax.Array],
    real: jax.Array,
    fake: jax.Array,
    *,
    share: jax.Array,
) -> jax.Array:
    """Returns the mean of (|gradient| - 1)^2 at points between each real and fake [B, ...].

    Args:
        critic: images -> f32 [B], each image by itself.
        real: f32 [B, S, S, 3].
        fake: of the same shape.
        share: f32 [B] in 0..1, of the real in each point.
    """
    share = share.reshape(-1, *[1] * (real.ndim - 1))
    points = share * real + (1 - share) * fake
    gradient = jax.grad(lambda x: critic(x).sum())(points).reshape(len(points), -1)
    # Where a gradient is 0 its norm has no derivative: NaN without the small number.
    norm = jnp.sqrt((gradient**2).sum(axis=1) + 1e-12)
    return ((norm - 1) ** 2).mean()


class WganGp(NoiseGame):
    """Trains a WGAN-GP."""

    adam = optax.adam(RATE, b1=0.5, b2=0.9)

    @property
    def discriminator(self) -> Critic:
        """Returns the network that judges images."""
        return Critic(self.settings.width)

    def judge(self, params: Any, image: jax.Array) -> Any:
        """Returns the critic's numbers f32 [B] of images."""
        return self.discriminator.apply({"params": params}, image)

    def update(self, state: State, images: jax.Array) -> tuple[State, Losses]:
        """Returns the state after some steps of the critic and one of the generator."""
        # Not one program with a loop: XLA's convolutions in loops are far slower on CPUs.
        for number in range(self.settings.critic_steps):
            state, losses = self.teach(state, images, number)
        return self.learn(state), losses

    @updating
    def teach(self, state: State, images: jax.Array, number: int) -> tuple[State, Losses]:
        """Applies one step of the critic, by its number within an update."""
        keys = jax.random.split(jax.random.fold_in(self.key(state), number), 3)
        batch = self.batch(images, key=keys[0])
        share = jax.random.uniform(keys[2], (self.settings.batch_size,))
        fake, _ = self.generate(state, state["generator"]["params"], self.noise(keys[1]))

        def loss(params: Any) -> tuple[jax.Array, Losses]:
            distance = self.judge(params, batch).mean() - self.judge(params, fake).mean()
            critic = functools.partial(self.judge, params)
            penalty = gradient_penalty(critic, batch, fake, share=share)
            return PENALTY * penalty - distance, {"critic_distance": distance, "penalty": penalty}

        gradient, losses = jax.grad(loss, has_aux=True)(state["discriminator"]["params"])
        return self.descend(state, "discriminator", gradient), losses

    @updating
    def learn(self, state: State) -> State:
        """Applies one step of the generator, which ends an update."""
        noise = self.noise(jax.random.fold_in(self.key(state), self.settings.critic_steps))

        def loss(params: Any) -> tuple[jax.Array, Any]:
            fake, stats = self.generate(state, params, noise)
            return -self.judge(state["discriminator"]["params"], fake).mean(), stats

        gradient, stats = jax.grad(loss, has_aux=True)(state["generator"]["params"])
        return finish(self.descend(state, "generator", gradient, stats))
