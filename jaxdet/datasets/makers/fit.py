"""Trains one autoencoder on crops, and draws others' images by it."""

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxdet.datasets.makers.autoencoder import Autoencoder
from jaxdet.errors import RunFailedError

Variables = Mapping[str, Any]
Say = Callable[[str], None]
Step = Callable[[Variables, Any, np.ndarray], tuple[Variables, Any, jax.Array]]


@dataclass(frozen=True)
class FitSettings:
    """Describes how one autoencoder is trained.

    The rates were found by trial: 1e-2 diverges.
    """

    upsampling: str  # a name in UPSAMPLERS
    steps: int  # updates
    seed: int
    channels: int = 32
    batch_size: int = 8  # patches
    patch: int = 32  # pixels a side; more and smaller steps beat fewer and larger ones here
    peak_rate: float = 4e-3  # of Adam, reached after the warm-up, then a cosine to 0


def fit(crops: np.ndarray, *, settings: FitSettings, say: Say = print) -> Variables:
    """Trains an autoencoder with L1 loss on u8 crops [N, S, S, 3]; returns its variables.

    Raises:
        RunFailedError: the loss is not finite at the end.
    """
    model, rng = get_model(settings), np.random.default_rng(settings.seed)
    blank = jnp.zeros((1, settings.patch, settings.patch, 3))
    variables: Variables = jax.jit(model.init)(jax.random.key(settings.seed), blank)
    optimizer = make_optimizer(settings)
    state, step = optimizer.init(variables), make_step(model, optimizer)
    begin = time.perf_counter()
    for number in range(1, settings.steps + 1):
        batch = draw_patches(crops, settings=settings, rng=rng)
        variables, state, loss = step(variables, state, batch)
        if number % max(settings.steps // 2, 1) == 0:
            seconds = time.perf_counter() - begin
            where = f"{settings.upsampling:<12} step {number:>5}/{settings.steps}"
            say(f"{where}  l1 {float(loss):.4f}  {seconds:5.1f} s")
    if not np.isfinite(float(loss)):
        raise RunFailedError(f"generator {settings.upsampling}: its loss is {float(loss)}")
    return variables


def get_model(settings: FitSettings) -> Autoencoder:
    """Returns the untrained autoencoder of these settings."""
    return Autoencoder(settings.upsampling, channels=settings.channels)


def make_optimizer(settings: FitSettings) -> optax.GradientTransformation:
    """Returns Adam with a warm-up and a cosine; the shorter memory (b2) suits so few steps."""
    warmup = min(50, settings.steps // 4)
    rate = optax.warmup_cosine_decay_schedule(0.0, settings.peak_rate, warmup, settings.steps)
    return optax.adam(rate, b2=0.99)


def make_step(model: Autoencoder, optimizer: optax.GradientTransformation) -> Step:
    """Returns the compiled update of an autoencoder.

    `(variables, state, u8 [B, H, W, 3]) -> (variables, state, loss)`.
    """

    def l1(variables: Variables, image: jax.Array) -> jax.Array:
        drawn: Any = model.apply(variables, image)
        return jnp.abs(drawn - image).mean()

    @jax.jit
    def step(variables: Any, state: Any, batch: jax.Array) -> tuple[Any, Any, jax.Array]:
        loss, gradient = jax.value_and_grad(l1)(variables, to_unit(batch))
        update, state = optimizer.update(gradient, state, variables)
        return optax.apply_updates(variables, update), state, loss

    return step


def draw_patches(
    crops: np.ndarray, *, settings: FitSettings, rng: np.random.Generator
) -> np.ndarray:
    """Samples u8 [B, patch, patch, 3] from random crops, in random colours and orientation.

    Exchanged channels and random contrast keep the colours of photographs that the
    generator has not seen: otherwise a colour cast, not the upsampling, gives its fakes away.
    """
    last = crops.shape[1] - settings.patch
    y, x = rng.integers(0, last + 1, 2)
    rows = rng.integers(0, len(crops), settings.batch_size)
    patch = crops[rows, y : y + settings.patch, x : x + settings.patch]
    flip_y, flip_x = rng.choice([-1, 1], 2)
    patch = patch[:, ::flip_y, ::flip_x][..., rng.permutation(3)]
    gain, offset = rng.uniform(0.6, 1.0), rng.uniform(0.0, 60.0)
    return (patch * np.float32(gain) + np.float32(offset)).clip(0, 255).astype(np.uint8)


def reconstruct(
    crops: np.ndarray, *, variables: Variables, settings: FitSettings, batch_size: int = 50
) -> np.ndarray:
    """Returns the fakes u8 [N, S, S, 3] that a trained autoencoder makes of u8 crops of that shape.

    A gray crop's fake is made gray too: a tint would give it away without any trace.
    """
    draw = make_draw(get_model(settings))
    starts = range(0, len(crops), batch_size)
    # The last batch is filled up, so that one compilation serves every set.
    padded = np.pad(crops, ((0, -len(crops) % batch_size), (0, 0), (0, 0), (0, 0)))
    batches = [np.asarray(draw(variables, padded[i : i + batch_size])) for i in starts]
    return to_pixels(np.concatenate(batches)[: len(crops)], crops=crops)


def to_pixels(drawn: np.ndarray, *, crops: np.ndarray) -> np.ndarray:
    """Converts f32 [N, S, S, 3] in -1..1 to u8, made gray where the same row's u8 crop is gray."""
    gray = (crops == crops[..., :1]).all(axis=(1, 2, 3))
    drawn = np.where(gray[:, None, None, None], drawn.mean(axis=-1, keepdims=True), drawn)
    return np.rint((drawn + 1) * 127.5).clip(0, 255).astype(np.uint8)


@functools.cache
def make_draw(model: Autoencoder) -> Callable[[Variables, np.ndarray], jax.Array]:
    """Returns the compiled forward pass `(variables, u8 [B, S, S, 3]) -> f32 [B, S, S, 3]`."""

    @jax.jit
    def draw(variables: Any, image: jax.Array) -> Any:
        return model.apply(variables, to_unit(image))

    return draw


def to_unit(image: jax.Array | np.ndarray) -> jax.Array:
    """Converts u8 to f32 in -1..1."""
    return jnp.asarray(image, jnp.float32) / 127.5 - 1
