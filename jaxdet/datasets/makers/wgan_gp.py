"""WGAN-GP (Gulrajani et al., https://arxiv.org/abs/1704.00028), one of the GANs of Xuan et al."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from jaxdet.datasets.makers.dcgan import (
    NOISE,
    SIZES,
    Generator,
    descend,
    finish,
    generate,
    make_draw,
    start,
    update_key,
)
from jaxdet.datasets.makers.game import Game, Losses, State, draw_batch
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


@functools.cache
def make_wgan_gp(settings: WganGpSettings) -> Game:
    """Returns the training of a WGAN-GP with these settings, as a `Game`."""
    generator, critic = Generator(settings.size, settings.width), Critic(settings.width)
    adam = optax.adam(RATE, b1=0.5, b2=0.9)

    def init() -> State:
        keys = jax.random.split(jax.random.key(settings.seed))
        blank = jnp.zeros((2, settings.size, settings.size, 3))
        return start(
            generator=generator.init(keys[0], jnp.zeros((2, NOISE)), train=True),
            discriminator=critic.init(keys[1], blank),
            adam=adam,
        )

    def judge(params: Any, image: jax.Array) -> Any:
        return critic.apply({"params": params}, image)

    def teach(state: State, images: jax.Array, number: int) -> tuple[State, Losses]:
        """Applies one step of the critic, by its number within an update."""
        key = jax.random.fold_in(update_key(settings.seed, state["step"]), number)
        keys = jax.random.split(key, 3)
        batch = draw_batch(images, key=keys[0], batch_size=settings.batch_size)
        noise = jax.random.normal(keys[1], (settings.batch_size, NOISE))
        share = jax.random.uniform(keys[2], (settings.batch_size,))
        fake, _ = generate(generator, state, state["generator"]["params"], noise)

        def loss(params: Any) -> tuple[jax.Array, Losses]:
            distance = judge(params, batch).mean() - judge(params, fake).mean()
            penalty = gradient_penalty(functools.partial(judge, params), batch, fake, share=share)
            told = {"critic_distance": distance, "penalty": penalty}
            return PENALTY * penalty - distance, told

        gradient, told = jax.grad(loss, has_aux=True)(state["discriminator"]["params"])
        return descend(state, "discriminator", gradient, adam=adam), told

    def learn(state: State) -> State:
        """Applies one step of the generator, which ends an update."""
        key = jax.random.fold_in(update_key(settings.seed, state["step"]), settings.critic_steps)
        noise = jax.random.normal(key, (settings.batch_size, NOISE))

        def loss(params: Any) -> tuple[jax.Array, Any]:
            fake, stats = generate(generator, state, params, noise)
            return -judge(state["discriminator"]["params"], fake).mean(), stats

        gradient, stats = jax.grad(loss, has_aux=True)(state["generator"]["params"])
        return finish(descend(state, "generator", gradient, adam=adam, stats=stats))

    teach_compiled = jax.jit(teach, donate_argnums=0)
    learn_compiled = jax.jit(learn, donate_argnums=0)

    def update(state: State, images: jax.Array) -> tuple[State, Losses]:
        # Not one program with a loop: XLA's convolutions in loops are far slower on CPUs.
        for number in range(settings.critic_steps):
            state, told = teach_compiled(state, images, number)
        return learn_compiled(state), told

    return Game(
        name=settings.method,
        steps=settings.steps,
        init=jax.jit(init),
        update=update,
        draw=make_draw(generator, settings.seed),
    )
