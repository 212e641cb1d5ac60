"""Computes the average spectra of a set, real and fake."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxdet.config.runtime import Runtime
from jaxdet.data.pipeline import open_batches
from jaxdet.data.readers import Reader
from jaxdet.data.spectra import SpectrumLoader, Sums, choose_images, choose_side
from jaxdet.progress import ProgressLine
from jaxdet.results import Spectrum
from jaxdet.workdir import signals
from jaxdet.workdir.watchdog import waited

VERSION = 1  # raise it when the same images begin to give other spectra


def average_spectrum(
    read: Reader, *, most: int, crop: int, runtime: Runtime, fingerprint: str
) -> Spectrum:
    """Returns the mean magnitudes over images of each label.

    Args:
      read: the set.
      most: images of each label.
      crop: side of the centre crop, pixels, at most.
      runtime: workers.
      fingerprint: of the images and these numbers.

    Raises:
      BadImageError: for an unreadable image under `data.on_bad_image=stop`.
    """
    chosen = choose_images(read.images, most=most)
    side = choose_side(read.images, chosen, crop=crop)
    total = _total(SpectrumLoader(read=read, chosen=chosen, side=side), runtime)
    real, fake = total["count"].tolist()
    return Spectrum(
        real=_mean(total["magnitude"][0], real),
        fake=_mean(total["magnitude"][1], fake),
        n_real=real,
        n_fake=fake,
        n_small=int(total["small"][0]),
        fingerprint=fingerprint,
    )


def _total(loader: SpectrumLoader, runtime: Runtime) -> Sums:
    with (
        open_batches(loader, start=0, stop=loader.steps, runtime=runtime) as opened,
        ProgressLine(
            f"spectrum {loader.read.images.name}", total=len(loader.chosen), unit="images"
        ) as progress,
    ):
        batches: Iterator[Any] = waited(opened, "waiting for images for a spectrum")
        total: Any = None
        for sums in batches:
            # In the order of the set, so that rounding does not depend on the workers.
            total = sums if total is None else {name: total[name] + sums[name] for name in sums}
            progress.advance(int(sums["count"].sum() + sums["small"][0] + sums["bad"][0]))
            signals.check()
        return total


def _mean(magnitude: np.ndarray, count: int) -> np.ndarray:
    mean = magnitude / count if count else np.full_like(magnitude, np.nan)
    return mean.astype(np.float32)
