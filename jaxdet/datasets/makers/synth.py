"""Makes the built-in dataset: photographs, and what small CNN generators make of them.

Real and fake have the same crops, size, container (8-bit RGB PNG) and number in every set, so
that only what the generator did to the pixels tells them apart.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from jaxdet.data.images import SPLITS
from jaxdet.data.regular import file_mark
from jaxdet.datasets.makers.autoencoder import MULTIPLE
from jaxdet.datasets.makers.fit import FitSettings, Say, fit, reconstruct
from jaxdet.datasets.makers.photos import Crops, Photograph, find_photographs
from jaxdet.datasets.makers.place import making, read_record, setting_changes, write_record
from jaxdet.datasets.makers.sets import CutSettings, cut_splits, fidelity, write_images
from jaxdet.errors import UserError, writing_to
from jaxdet.workdir.lock import clear_lock

SCHEMA = 1  # raise it when the same settings begin to give other images
SEEN = "transposed4"  # the generator of the training and validation fakes

# Generator -> rounds of `steps` updates. A resize before the convolution learns fine detail more
# slowly; without the extra rounds its fakes would be told by their blur.
ROUNDS: Mapping[str, int] = MappingProxyType(
    {"transposed4": 1, "transposed3": 1, "nearest": 3, "bilinear": 4, "pixelshuffle": 1}
)


@dataclass(frozen=True)
class SynthSettings(CutSettings):
    """Holds the settings that the dataset is a function of."""

    steps: int = 300  # updates per round of a generator's training

    def __post_init__(self) -> None:
        """Raises UserError for a value that cannot be."""
        super().__post_init__()
        self.multiple_of(MULTIPLE, least=32)
        self.at_least(1, "steps")


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
    with writing_to(root):
        if is_there(root, asked=asked):
            clear_lock(root)
            say(f"{root}: already there")
            return
        with making(root) as partial:
            made = make_sets(partial, settings=settings, photographs=photographs, say=say)
            write_record(partial, record={"status": "finished", **asked, **made})
    say(f"{root}: made in {time.perf_counter() - begin:.0f} s")


def describe(
    settings: CutSettings, *, photographs: Mapping[str, tuple[Photograph, ...]]
) -> dict[str, Any]:
    """Returns what decides whether a dataset is the one asked for, as it stands in its record."""
    names = {split: sorted(p.name for p in photographs[split]) for split in SPLITS}
    views = [view for split in SPLITS for p in photographs[split] for view in p.views]
    content = " ".join(file_mark(view, "bytes") for view in views)
    return {
        "schema": SCHEMA,
        "settings": asdict(settings),
        "photographs": names,
        "photographs_sha256": hashlib.sha256(content.encode()).hexdigest(),
    }


def is_there(root: Path, *, asked: Mapping[str, Any]) -> bool:
    """Returns whether `root` is the dataset asked for; UserError where it is anything else."""
    record = read_record(root)
    if record is None:
        return False
    if record.get("status") != "finished":
        raise UserError(f"{root} holds an unfinished dataset; choose another --root")
    if other := setting_changes(record, asked):
        raise UserError(
            f"{root} holds a dataset with other settings ({'; '.join(other)}); "
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
    """Writes all sets under `root`; returns what was measured on the way, for the record."""
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


def write_set(folder: Path, *, real: Crops, fake: np.ndarray) -> None:
    """Writes `0_real` and `1_fake` of one set, with the same file names in both."""
    for label, images in (("0_real", real.images), ("1_fake", fake)):
        write_images(folder / label, names=real.names, images=images)


def versions() -> dict[str, str]:
    """Returns the releases that the pixels depend on."""
    names = ("jax", "flax", "optax", "numpy", "pillow", "scikit-image")
    return {name: version(name) for name in names}
