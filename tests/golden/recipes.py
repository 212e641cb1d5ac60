"""Pixels of every recipe of augmentation; `python -m tests.golden.recipes` rewrites them.

The recipes are those of all presets and rows of tables, at a small size, and one with everything.
"""

import dataclasses
from pathlib import Path

import numpy as np

from jaxdet.config import Augment
from jaxdet.data.augment import Recipe
from jaxdet.data.order import Streams
from tests.golden import configs, tables

FILE = Path(__file__).parent / "recipes.npz"
CROP, RESIZE, IMAGES = 20, 28, 4
EVERYTHING = Augment(
    resize=28, rescale_probability=0.7, blur_probability=0.7, jpeg_probability=0.7,
    noise_probability=0.7, crop=CROP,
)  # fmt: skip


def recipes():
    """Returns the recipes of all presets and tables by the names of the first that has each."""
    runs = [("-".join(filter(None, one)), configs.load(*one)) for one in configs.PRESETS]
    runs += [(f"{n}-{row.name}", row.config) for n in tables.NAMES for row in tables.load(n).rows]
    named = {}
    for name, config in runs:
        small = {"crop": CROP, "resize": RESIZE if config.augment.resize else 0}
        augment = dataclasses.replace(config.augment, decode="whole", **small)
        if augment not in named.values():
            named[name] = augment
    return {**named, "everything": EVERYTHING}


def pixels(augment):
    """Returns the crops of a few images of a batch, u8 [IMAGES, CROP, CROP, 3]."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (IMAGES, 7, 9, 3), dtype=np.uint8)
    images = coarse.repeat(5, axis=1).repeat(5, axis=2)
    out = np.zeros((IMAGES, CROP, CROP, 3), np.uint8)
    recipe = Recipe(augment)
    for index, image in enumerate(images):
        batch = 3 if augment.scope == "batch" else None
        recipe(image, Streams(5, "train", 1, index, batch), out=out[index])
    return out


if __name__ == "__main__":
    np.savez_compressed(FILE, **{name: pixels(augment) for name, augment in recipes().items()})
