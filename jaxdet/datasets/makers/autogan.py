"""Trains AutoGAN (Zhang et al., WIFS 2019): a translation network that redraws photographs.

Its fakes carry the trace of GANs of its kind, made of photographs alone. The networks are
CycleGAN's (https://arxiv.org/abs/1703.10593, section 7): residual generator, 70x70 PatchGAN.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from jaxdet.datasets.makers.game import Game, Losses, State, compiled, finish, updating
from jaxdet.datasets.makers.pool import init_pool, swap
from jaxdet.datasets.makers.sets import CutSettings

UPSAMPLINGS = ("transposed", "nearest")
MULTIPLE = 4  # two halvings
RATE = 2e-4  # of Adam
POOL = 50  # earlier fakes that the discriminator is shown again
_NORMAL = nn.initializers.normal(0.02)


@dataclass(frozen=True)
class AutoganSettings(CutSettings):
    """Holds the settings that the dataset is a function of.

    All but the size and the numbers of images is the source's.
    """

    method: str = "autogan"
    size: int = 128  # 256 in the source, for photographs of 512 pixels and more
    upsampling: str = "transposed"  # or nearest
    width: int = 64  # channels of the first layers
    blocks: int = 9  # residual
    epochs: int = 200  # the second half with a rate that falls to 0
    batch_size: int = 8
    identity_weight: float = 0.5

    def __post_init__(self) -> None:
        """Raises UserError for a value that cannot be."""
        super().__post_init__()
        self.one_of("upsampling", UPSAMPLINGS)
        self.multiple_of(MULTIPLE, least=32)
        self.at_least(0, "blocks", "identity_weight")
        self.at_least(1, "width", "epochs", "batch_size")

    @property
    def steps(self) -> int:
        """Returns the number of updates of the generator."""
        return self.epochs * max(self.train_images // self.batch_size, 1)


class ResidualGenerator(nn.Module):
    """Translates an image by two halvings, residual blocks and two doublings.

    Normalisation is by instance.
    """

    width: int
    blocks: int
    upsampling: str  # one of UPSAMPLINGS

    @nn.compact
    def __call__(self, image: jax.Array) -> jax.Array:
        """Translates images: f32 [B, S, S, 3] in -1..1 -> the same; S is a multiple of 4."""
        x = _normalised(_conv(self.width, 7)(_reflected(image, 3)))
        for times in (2, 4):
            x = _normalised(_conv(times * self.width, 3, strides=2, padding=1)(x))
        for _ in range(self.blocks):
            inner = _normalised(_conv(4 * self.width, 3)(_reflected(x, 1)))
            x = x + _instance_norm()(_conv(4 * self.width, 3)(_reflected(inner, 1)))
        for times in (2, 1):
            x = _normalised(self.double(x, channels=times * self.width))
        return jnp.tanh(_conv(3, 7, use_bias=True)(_reflected(x, 3)))

    def double(self, x: jax.Array, *, channels: int) -> jax.Array:
        """Doubles both sides: f32 [B, S, S, C] -> f32 [B, 2S, 2S, channels]."""
        if self.upsampling == "nearest":
            x = x.repeat(2, axis=1).repeat(2, axis=2)
            return _conv(channels, 3, padding=1)(x)
        # torch's kernel 3, stride 2, padding 1, output padding 1.
        around = ((1, 2), (1, 2))
        return nn.ConvTranspose(
            channels, (3, 3), strides=(2, 2), padding=around, use_bias=False, kernel_init=_NORMAL
        )(x)


class PatchDiscriminator(nn.Module):
    """Scores each patch of 70x70 pixels by one number."""

    width: int

    @nn.compact
    def __call__(self, image: jax.Array) -> jax.Array:
        """Scores the patches: f32 [B, S, S, 3] -> f32 [B, S / 8 - 2, S / 8 - 2], 1 = real."""
        x = nn.leaky_relu(_conv(self.width, 4, strides=2, padding=1, use_bias=True)(image), 0.2)
        for times, strides in ((2, 2), (4, 2), (8, 1)):
            x = _conv(times * self.width, 4, strides=strides, padding=1)(x)
            x = nn.leaky_relu(_instance_norm()(x), 0.2)
        return _conv(1, 4, padding=1, use_bias=True)(x)[..., 0]


def _conv(
    channels: int, kernel: int, *, strides: int = 1, padding: int = 0, use_bias: bool = False
) -> nn.Conv:
    # No bias where a normalisation would take it off again.
    return nn.Conv(
        channels,
        (kernel, kernel),
        strides=strides,
        padding=padding,
        use_bias=use_bias,
        kernel_init=_NORMAL,
    )


def _reflected(x: jax.Array, pixels: int) -> jax.Array:
    return jnp.pad(x, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)), mode="reflect")


def _instance_norm() -> nn.GroupNorm:
    # Each channel a group of its own; CycleGAN's has neither gain nor offset.
    return nn.GroupNorm(
        num_groups=None, group_size=1, epsilon=1e-5, use_scale=False, use_bias=False
    )


def _normalised(x: jax.Array) -> jax.Array:
    return nn.relu(_instance_norm()(x))


def discriminator_loss(real: jax.Array, fake: jax.Array) -> jax.Array:
    """Returns the LSGAN loss of the discriminator on maps of any shape.

    Half the sum of the mean squares of real - 1 and of fake.
    """
    return 0.5 * (((real - 1) ** 2).mean() + (fake**2).mean())


def generator_loss(fake: jax.Array) -> jax.Array:
    """Returns the LSGAN loss of the generator: the mean square of fake - 1."""
    return ((fake - 1) ** 2).mean()


def make_rate(settings: AutoganSettings) -> optax.Schedule:
    """Returns the learning rate: constant for the first half of the updates, then linear to 0."""
    half = settings.steps // 2
    return optax.linear_schedule(RATE, 0.0, settings.steps - half, half)


class Autogan(Game):
    """Trains an AutoGAN."""

    @property
    def adam(self) -> optax.GradientTransformation:
        """Returns the optimiser of both networks."""
        return optax.adam(make_rate(self.settings), b1=0.5)

    @property
    def generator(self) -> ResidualGenerator:
        """Returns the network that redraws photographs."""
        settings = self.settings
        return ResidualGenerator(settings.width, settings.blocks, settings.upsampling)

    @property
    def discriminator(self) -> PatchDiscriminator:
        """Returns the network that judges patches."""
        return PatchDiscriminator(self.settings.width)

    @compiled
    def init(self) -> State:
        """Returns the state before the first update."""
        shape = (self.settings.size, self.settings.size, 3)
        keys, blank = jax.random.split(jax.random.key(self.settings.seed)), jnp.zeros((1, *shape))
        state = self.start(
            generator=self.generator.init(keys[0], blank),
            discriminator=self.discriminator.init(keys[1], blank),
        )
        return {**state, "pool": init_pool(POOL, shape)}

    def judge(self, params: Any, image: jax.Array) -> Any:
        """Returns a number for each patch of images."""
        return self.discriminator.apply({"params": params}, image)

    @updating
    def update(self, state: State, images: jax.Array) -> tuple[State, Losses]:
        """Returns the state after a step of each network, the generator first."""
        keys = jax.random.split(self.key(state))
        batch = self.batch(images, key=keys[0])

        def loss_g(params: Any) -> tuple[jax.Array, Any]:
            fake: Any = self.generator.apply({"params": params}, batch)
            adversarial = generator_loss(self.judge(state["discriminator"]["params"], fake))
            identity = jnp.abs(fake - batch).mean()
            losses = {"generator": adversarial, "identity": identity}
            return adversarial + self.settings.identity_weight * identity, (fake, losses)

        def loss_d(params: Any, fake: jax.Array) -> jax.Array:
            return discriminator_loss(self.judge(params, batch), self.judge(params, fake))

        gradient, (fake, losses) = jax.grad(loss_g, has_aux=True)(state["generator"]["params"])
        state = self.descend(state, "generator", gradient)
        pool, shown = swap(state["pool"], fake, key=keys[1])
        value, gradient = jax.value_and_grad(loss_d)(state["discriminator"]["params"], shown)
        state = self.descend({**state, "pool": pool}, "discriminator", gradient)
        return finish(state), {**losses, "discriminator": value}

    @compiled
    def draw(self, state: State, crops: np.ndarray, rows: np.ndarray) -> Any:
        """Returns crops as the generator redraws them."""
        pixels = jnp.asarray(crops, jnp.float32) / 127.5 - 1
        return self.generator.apply(state["generator"], pixels)
