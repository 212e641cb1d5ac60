"""The built-in dataset: photographs, and what small CNN generators make of them.

Real and fake have the same crops, size, container (8-bit RGB PNG) and number in every set, so
that only what the generator did to the pixels tells them apart.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from jaxdet.data.images import SPLITS
from jaxdet.errors import UserError
from jaxdet.generators.autoencoder import MULTIPLE
from jaxdet.generators.fit import FitSettings, Say, fit, reconstruct
from jaxdet.generators.photos import Crops, Photograph, cut_crops, find_photographs
from jaxdet.generators.place import making, read_record, write_record

SCHEMA = 1  # raise it when the same settings begin to give other images
SEEN = "transposed4"  # the generator of the training and validation fakes

# Generator -> rounds of `steps` updates. A resize before the convolution learns fine detail more
# slowly; without the extra rounds its fakes would be told by their blur.
ROUNDS: Mapping[str, int] = MappingProxyType(
    {"transposed4": 1, "transposed3": 1, "nearest": 3, "bilinear": 4, "pixelshuffle": 1}
)


@dataclass(frozen=True)
class SynthSettings:
    """What the dataset is a function of."""

    photos: str | None = None  # folder of the user's own photographs; None: scikit-image's
    seed: int = 0
    size: int = 72  # pixels a side; the detector crops 64 of them
    train_images: int = 1200  # per label
    val_images: int = 200  # per label
    test_images: int = 200  # per label and generator
    steps: int = 300  # updates per round of a generator's training

    def __post_init__(self) -> None:
        """Raises UserError for a value that cannot be."""
        if self.size < 32 or self.size % MULTIPLE:
            raise UserError(f"--size={self.size}: must be a multiple of {MULTIPLE}, 32 or more")
        if self.seed < 0:
            raise UserError(f"--seed={self.seed}: must be 0 or more")
        for name in ("train_images", "val_images", "test_images", "steps"):
            if getattr(self, name) < 1:
                flag = name.replace("_", "-")
                raise UserError(f"--{flag}={getattr(self, name)}: must be 1 or more")


def synthesise(root: Path, *, settings: SynthSettings, say: Say = print) -> None:
    """Makes the dataset at `root`, or says that it is there already.

    Raises:
        UserError: `root` holds something else or a dataset of other settings, the photographs
            will not do, or a folder cannot be written.
    """
    root = root.expanduser().resolve()
    begin = time.perf_counter()
    folder = None if settings.photos is None else Path(settings.photos)
    photographs = find_photographs(folder, seed=settings.seed, size=settings.size)
    asked = describe(settings, photographs=photographs)
    try:
        if is_there(root, asked=asked):
            say(f"{root}: already there")
            return
        with making(root) as partial:
            made = make_sets(partial, settings=settings, photographs=photographs, say=say)
            write_record(partial, record={"status": "finished", **asked, **made})
    except OSError as error:
        raise UserError(f"cannot write {root}: {error.strerror or error}") from error
    say(f"{root}: made in {time.perf_counter() - begin:.0f} s")


def describe(
    settings: SynthSettings, *, photographs: Mapping[str, tuple[Photograph, ...]]
) -> dict[str, Any]:
    """What decides whether a dataset is the one asked for, as it stands in its record."""
    names = {split: sorted(p.name for p in photographs[split]) for split in SPLITS}
    return {"schema": SCHEMA, "settings": asdict(settings), "photographs": names}


def is_there(root: Path, *, asked: Mapping[str, Any]) -> bool:
    """Whether `root` is the dataset asked for; UserError where it is anything else."""
    record = read_record(root)
    if record is None:
        return False
    if record.get("status") != "finished":
        raise UserError(f"{root} holds an unfinished dataset; choose another --root")
    old, new = record.get("settings", {}), asked["settings"]
    other = [
        f"{k.replace('_', '-')} {old.get(k)} not {new[k]}" for k in new if old.get(k) != new[k]
    ]
    other += [key for key in ("schema", "photographs") if record.get(key) != asked[key]]
    if other:
        raise UserError(
            f"{root} holds a dataset with other settings ({', '.join(other)}); "
            "choose another --root, or remove it yourself"
        )
    return True


def make_sets(
    root: Path,
    *,
    settings: SynthSettings,
    photographs: Mapping[str, tuple[Photograph, ...]],
    say: Say,
) -> dict[str, Any]:
    """Writes all sets under `root`; what was measured on the way, for the record."""
    crops = cut_splits(settings, photographs=photographs)
    generators = {}
    for number, name in enumerate(ROUNDS):
        fit_settings = FitSettings(
            upsampling=name, steps=settings.steps * ROUNDS[name], seed=settings.seed + number
        )
        variables = fit(crops["train"].images, settings=fit_settings, say=say)
        sets = {f"test/{name}": "test"}
        if name == SEEN:
            sets |= {"train/photo": "train", "val/photo": "val"}
        for where, split in sets.items():
            real = crops[split]
            fake = reconstruct(real.images, variables=variables, settings=fit_settings)
            write_set(root / where, real=real, fake=fake)
            if split == "test":
                generators[name] = {"steps": fit_settings.steps, **fidelity(real.images, fake)}
        say(f"{name:<12} psnr {generators[name]['psnr_db']:.1f} dB on the test photographs")
    counts = {split: len(crops[split].names) for split in SPLITS}
    return {"images_per_label": counts, "generators": generators, "versions": versions()}


def cut_splits(
    settings: SynthSettings, *, photographs: Mapping[str, tuple[Photograph, ...]]
) -> dict[str, Crops]:
    """Split -> crops."""
    counts = (settings.train_images, settings.val_images, settings.test_images)
    return {
        split: cut_crops(
            photographs[split], count=count, size=settings.size, seed=(settings.seed, number)
        )
        for number, (split, count) in enumerate(zip(SPLITS, counts, strict=True))
    }


def write_set(folder: Path, *, real: Crops, fake: np.ndarray) -> None:
    """Writes `0_real` and `1_fake` of one set, with the same file names in both."""
    for label, images in (("0_real", real.images), ("1_fake", fake)):
        os.makedirs(folder / label)
        for name, image in zip(real.names, images, strict=True):
            Image.fromarray(image).save(folder / label / name, compress_level=6)


def fidelity(real: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    """How near u8 fakes are to their reals: `l1` in 0..255 levels, `psnr_db` over all pixels."""
    difference = fake.astype(np.float64) - real
    mse = max(float((difference**2).mean()), 1e-9)  # no infinities in JSON
    psnr = 10 * np.log10(255**2 / mse)
    return {"l1": round(float(np.abs(difference).mean()), 3), "psnr_db": round(float(psnr), 2)}


def versions() -> dict[str, str]:
    """The releases that the pixels depend on."""
    names = ("jax", "flax", "optax", "numpy", "pillow", "scikit-image")
    return {name: version(name) for name in names}
