"""Trains a generator against a discriminator: one loop for all, resumed and looked at.

A game's update is a pure function of its state and the images. Randomness is folded from the
seed and the number of the update, so that a run that was killed goes on with the bits of one that
was not (same machine and releases).
"""

import abc
import functools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxdet.data.images import SPLITS
from jaxdet.datasets.makers.distance import patch_distance
from jaxdet.datasets.makers.fit import Say, to_pixels, to_unit
from jaxdet.datasets.makers.grid import write_grid
from jaxdet.datasets.makers.photos import Crops
from jaxdet.datasets.makers.sets import set_folder, write_images
from jaxdet.datasets.makers.snapshots import load_snapshot, save_snapshot
from jaxdet.errors import RunFailedError

WINDOWS = 20  # of a training: at the end of each a line, a snapshot and a sheet of samples
SHEET = 64  # samples on it
DRAWN_AT_ONCE = 50

State = Any  # a tree of arrays
Losses = Mapping[str, jax.Array]
Row = dict[str, float]


# For methods of a game: a game is known by its settings, and `updating` uses the old state up.
compiled = functools.partial(jax.jit, static_argnums=0)
updating = functools.partial(jax.jit, static_argnums=0, donate_argnums=1)


@dataclass(frozen=True)
class Game(abc.ABC):
    """Trains a generator against a discriminator; equal settings share their compiled programs.

    Attributes:
        settings: what all follows from, the seed too.
    """

    settings: Any

    @property
    @abc.abstractmethod
    def adam(self) -> optax.GradientTransformation:
        """Returns the optimiser of both networks."""

    @abc.abstractmethod
    def init(self) -> State:
        """Returns the state before the first update."""

    @abc.abstractmethod
    def update(self, state: State, images: jax.Array) -> tuple[State, Losses]:
        """Returns the state after an update on u8 [N, S, S, 3], and the losses; uses `state` up."""

    @abc.abstractmethod
    def draw(self, state: State, crops: np.ndarray, rows: np.ndarray) -> jax.Array:
        """Returns fakes f32 [B, S, S, 3] in -1..1, one for each row of the data.

        Each follows from the row's crop, u8 [B, S, S, 3], or from noise of its number, i32 [B].
        """

    def start(self, *, generator: Any, discriminator: Any) -> State:
        """Returns a state before the first update: variables and moments of both, the step."""
        return {
            "step": jnp.zeros((), jnp.int32),
            "generator": generator,
            "discriminator": discriminator,
            "moments": {
                "generator": self.adam.init(generator["params"]),
                "discriminator": self.adam.init(discriminator["params"]),
            },
        }

    def key(self, state: State) -> jax.Array:
        """Returns the key from which all randomness of the next update comes."""
        return jax.random.fold_in(jax.random.key(self.settings.seed + 1), state["step"])

    def batch(self, images: jax.Array, *, key: jax.Array) -> jax.Array:
        """Samples a batch, f32 [batch_size, S, S, 3] in -1..1; see `draw_batch`."""
        return draw_batch(images, key=key, batch_size=self.settings.batch_size)

    def descend(self, state: State, network: str, gradient: Any, stats: Any = None) -> State:
        """Returns the state after one step of Adam of one network.

        `stats` are its new running statistics.
        """
        params = state[network]["params"]
        change, moments = self.adam.update(gradient, state["moments"][network], params)
        params = optax.apply_updates(params, change)
        variables = {**state[network], **(stats or {}), "params": params}
        return {**state, network: variables, "moments": {**state["moments"], network: moments}}


def finish(state: State) -> State:
    """Returns the state with its update counted."""
    return {**state, "step": state["step"] + 1}


def make_fakes(folder: Path, *, crops: Mapping[str, Crops], game: Game, say: Say) -> dict[str, Any]:
    """Trains on `train`, writes the fakes of all splits and returns the history for the record.

    Raises:
        RunFailedError: a loss is not finite.
    """
    state, history = train(game, crops["train"].images, folder=folder, say=say)
    first = 0
    for split in SPLITS:
        fakes = draw_all(game, state, crops[split].images, first=first)
        place = folder / set_folder(split, method=game.settings.method) / "1_fake"
        write_images(place, names=crops[split].names, images=fakes)
        first += len(fakes)
    return {"history": history}


def train(game: Game, images: np.ndarray, *, folder: Path, say: Say) -> tuple[State, list[Row]]:
    """Trains from the last snapshot on; returns the final state and a row for each window."""
    path = folder / "snapshots" / "training.msgpack"
    saved = load_snapshot(path, like={"state": game.init(), "step": 0, "history": ""})
    saved = saved or {"state": game.init(), "step": 0, "history": "[]"}
    state, history = saved["state"], json.loads(saved["history"])
    on_device, window = jnp.asarray(images), max(game.settings.steps // WINDOWS, 1)
    # Crops stand in the order of their photographs: a few of each.
    shown = images[np.linspace(0, len(images) - 1, min(SHEET, len(images))).astype(int)]
    for begin in range(saved["step"], game.settings.steps, window):
        end, started = min(begin + window, game.settings.steps), time.perf_counter()
        state, losses = play(game, state, on_device, steps=end - begin)
        seconds = time.perf_counter() - started
        fakes = draw_all(game, state, shown, first=0)
        distance = round(patch_distance(shown, fakes), 3)
        history.append({"step": end, **losses, "patch_distance": distance})
        # The sheet first: no later start goes back behind a snapshot.
        write_grid(folder / "samples" / f"{game.settings.method}_{end:07d}.png", fakes)
        save_snapshot(path, {"state": state, "step": end, "history": json.dumps(history)})
        say(_line(game, history[-1], seconds=seconds))
    return state, history


def play(game: Game, state: State, images: jax.Array, *, steps: int) -> tuple[State, Row]:
    """Applies some updates; returns the state after them and the mean of each loss over them.

    Raises:
        RunFailedError: a loss is not finite.
    """
    rows = []
    for _ in range(steps):
        state, losses = game.update(state, images)
        rows.append(losses)
    means = {name: float(np.mean([float(row[name]) for row in rows])) for name in rows[0]}
    if not all(np.isfinite(list(means.values()))):
        raise RunFailedError(f"{game.settings.method}: a loss is not finite: {means}")
    return state, {name: round(mean, 5) for name, mean in means.items()}


def draw_all(game: Game, state: State, crops: np.ndarray, *, first: int) -> np.ndarray:
    """Returns the fakes u8 [N, S, S, 3] of rows `first` and on; gray where their crop is gray."""
    rows = np.arange(first, first + len(crops), dtype=np.int32)
    missing = -len(crops) % DRAWN_AT_ONCE  # the last batch is filled up: one compilation
    rows, padded = np.pad(rows, (0, missing)), np.pad(crops, ((0, missing), *[(0, 0)] * 3))
    parts = [slice(k, k + DRAWN_AT_ONCE) for k in range(0, len(rows), DRAWN_AT_ONCE)]
    drawn = np.concatenate([np.asarray(game.draw(state, padded[p], rows[p])) for p in parts])
    return to_pixels(drawn[: len(crops)], crops=crops)


def draw_batch(images: jax.Array, *, key: jax.Array, batch_size: int) -> jax.Array:
    """Samples a batch, f32 [batch_size, S, S, 3] in -1..1, from u8 [N, S, S, 3].

    Each image is mirrored with probability 1/2.
    """
    choose, mirror = jax.random.split(key)
    batch = to_unit(images[jax.random.randint(choose, (batch_size,), 0, len(images))])
    mirrored = jax.random.bernoulli(mirror, 0.5, (batch_size, 1, 1, 1))
    return jnp.where(mirrored, batch[:, :, ::-1], batch)


def _line(game: Game, row: Row, *, seconds: float) -> str:
    numbers = "  ".join(f"{name} {value:.3f}" for name, value in row.items() if name != "step")
    name, steps = game.settings.method, game.settings.steps
    return f"{name:<8} step {row['step']:>6}/{steps}  {numbers}  {seconds:5.1f} s"
