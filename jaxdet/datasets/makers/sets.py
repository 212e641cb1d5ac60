"""Cuts crops and places images for all ways of making a dataset."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from jaxdet.data.images import SPLITS
from jaxdet.datasets.makers.photos import Crops, Photograph, cut_crops
from jaxdet.errors import UserError

TRAIN_CLASS = "photo"  # the training class, where a method makes one kind of fakes


@dataclass(frozen=True)
class CutSettings:
    """Holds the settings that the real images are a function of."""

    photos: str | None = None  # folder of the user's own photographs; None: scikit-image's
    seed: int = 0
    size: int = 72  # pixels a side; the detector crops 64 of them
    train_images: int = 1200  # per label
    val_images: int = 200  # per label
    test_images: int = 200  # per label and generator

    def __post_init__(self) -> None:
        """Raises UserError for a value that cannot be."""
        if self.seed < 0:
            raise UserError(f"--seed={self.seed}: must be 0 or more")
        self.at_least(1, "train_images", "val_images", "test_images")

    def at_least(self, least: int, *names: str) -> None:
        """Raises UserError for the first of these numbers that is smaller."""
        for name in names:
            if getattr(self, name) < least:
                flag = name.replace("_", "-")
                raise UserError(f"--{flag}={getattr(self, name)}: must be {least} or more")

    def multiple_of(self, step: int, *, least: int) -> None:
        """Raises UserError for a size that is smaller or no multiple."""
        if self.size < least or self.size % step:
            raise UserError(f"--size={self.size}: must be a multiple of {step}, {least} or more")

    def one_of(self, name: str, allowed: Sequence[object]) -> None:
        """Raises UserError where a value is none of those allowed."""
        if getattr(self, name) not in allowed:
            flag, known = name.replace("_", "-"), ", ".join(map(str, allowed))
            raise UserError(f"--{flag}={getattr(self, name)}: must be one of {known}")


def cut_splits(
    settings: CutSettings, *, photographs: Mapping[str, tuple[Photograph, ...]]
) -> dict[str, Crops]:
    """Samples the crops of each split from its photographs."""
    counts = (settings.train_images, settings.val_images, settings.test_images)
    return {
        split: cut_crops(
            photographs[split], count=count, size=settings.size, seed=(settings.seed, number)
        )
        for number, (split, count) in enumerate(zip(SPLITS, counts, strict=True))
    }


def set_folder(split: str, *, method: str, kind: str = "") -> str:
    """Returns the folder of a method's images, below the root; `kind` tells its fakes apart.

    In `train` and `val` a kind is a class, in `test` a category of the method's set.
    """
    if split == "test":
        return f"test/{method}/{kind}".rstrip("/")
    return f"{split}/{kind or TRAIN_CLASS}"


def write_images(folder: Path, *, names: Sequence[str], images: np.ndarray) -> None:
    """Writes u8 [N, S, S, 3] as PNG files; reals and fakes alike, so that no file tells them."""
    os.makedirs(folder, exist_ok=True)
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image).save(folder / name, compress_level=6)


def fidelity(real: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    """Returns how near u8 fakes are to reals: `l1` in 0..255 levels, `psnr_db` over all pixels."""
    difference = fake.astype(np.float64) - real
    mse = max(float((difference**2).mean()), 1e-9)  # no infinities in JSON
    psnr = 10 * np.log10(255**2 / mse)
    return {"l1": round(float(np.abs(difference).mean()), 3), "psnr_db": round(float(psnr), 2)}
