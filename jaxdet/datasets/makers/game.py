"""Training of a generator against a discriminator: one loop for all, resumed and looked at.

A game's update is a pure function of its state and the images. Randomness is folded from the
seed and the number of the update, so that a run that was killed goes on with the bits of one that
was not (same machine and releases).
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

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


@dataclass(frozen=True)
class Game:
    """Holds a generator and what trains it.

    Attributes:
        name: the method.
        steps: updates of the generator.
        init: the state before the first update.
        update: compiled `(state, u8 [N, S, S, 3]) -> (state, losses)`; the old state is used up.
        draw: compiled `(state, u8 [B, S, S, 3], i32 [B]) -> f32 [B, S, S, 3]` in -1..1: one image
            for each row of the data, of its crop or of noise that follows from its number.
    """

    name: str
    steps: int
    init: Callable[[], State]
    update: Callable[[State, jax.Array], tuple[State, Losses]]
    draw: Callable[[State, np.ndarray, np.ndarray], jax.Array]


def make_fakes(folder: Path, *, crops: Mapping[str, Crops], game: Game, say: Say) -> dict[str, Any]:
    """Trains on `train`, writes the fakes of all splits and returns the history for the record.

    Raises:
        RunFailedError: a loss is not finite.
    """
    state, history = train(game, crops["train"].images, folder=folder, say=say)
    first = 0
    for split in SPLITS:
        fakes = draw_all(game, state, crops[split].images, first=first)
        place = folder / set_folder(split, method=game.name) / "1_fake"
        write_images(place, names=crops[split].names, images=fakes)
        first += len(fakes)
    return {"history": history}


def train(game: Game, images: np.ndarray, *, folder: Path, say: Say) -> tuple[State, list[Row]]:
    """Trains from the last snapshot on; returns the final state and a row for each window."""
    path = folder / "snapshots" / "training.msgpack"
    saved = load_snapshot(path, like={"state": game.init(), "step": 0, "history": ""})
    saved = saved or {"state": game.init(), "step": 0, "history": "[]"}
    state, history = saved["state"], json.loads(saved["history"])
    on_device, window = jnp.asarray(images), max(game.steps // WINDOWS, 1)
    # Crops stand in the order of their photographs: a few of each.
    shown = images[np.linspace(0, len(images) - 1, min(SHEET, len(images))).astype(int)]
    for begin in range(saved["step"], game.steps, window):
        end, started = min(begin + window, game.steps), time.perf_counter()
        state, losses = play(game, state, on_device, steps=end - begin)
        seconds = time.perf_counter() - started
        fakes = draw_all(game, state, shown, first=0)
        distance = round(patch_distance(shown, fakes), 3)
        history.append({"step": end, **losses, "patch_distance": distance})
        # The sheet first: no later start goes back behind a snapshot.
        write_grid(folder / "samples" / f"{game.name}_{end:07d}.png", fakes)
        save_snapshot(path, {"state": state, "step": end, "history": json.dumps(history)})
        say(_line(game, history[-1], seconds=seconds))
    return state, history


def play(game: Game, state: State, images: jax.Array, *, steps: int) -> tuple[State, Row]:
    """Applies some updates; returns the state after them and the mean of each loss over them.

    Raises:
        RunFailedError: a loss is not finite.
    """
    told = []
    for _ in range(steps):
        state, losses = game.update(state, images)
        told.append(losses)
    means = {name: float(np.mean([float(row[name]) for row in told])) for name in told[0]}
    if not all(np.isfinite(list(means.values()))):
        raise RunFailedError(f"{game.name}: a loss is not finite: {means}")
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
    told = "  ".join(f"{name} {value:.3f}" for name, value in row.items() if name != "step")
    return f"{game.name:<8} step {row['step']:>6}/{game.steps}  {told}  {seconds:5.1f} s"
