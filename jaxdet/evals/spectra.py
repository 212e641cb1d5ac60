"""The average spectra of a set, real and fake."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxdet.config import Config
from jaxdet.data.images import ImageSet
from jaxdet.data.pipeline import open_batches
from jaxdet.data.spectra import SpectrumLoader, Sums, choose_images, choose_side
from jaxdet.evals.views import make_reader
from jaxdet.progress import ProgressLine
from jaxdet.results import Spectrum
from jaxdet.workdir import signals
from jaxdet.workdir.identity import fingerprint_of
from jaxdet.workdir.watchdog import waited

_VERSION = 1  # raise it when the same images begin to give other spectra


def average_spectrum(config: Config, images: ImageSet) -> Spectrum:
    """Returns the mean magnitudes over up to `evaluation.spectrum_images` images of each label.

    Raises:
      BadImageError: for an unreadable image under `data.on_bad_image=stop`.
    """
    chosen = choose_images(images, most=config.evaluation.spectrum_images)
    side = choose_side(images, chosen, crop=config.eval_crop)
    read = make_reader(config, images)
    total = _total(config, SpectrumLoader(read=read, chosen=chosen, side=side))
    real, fake = total["count"].tolist()
    return Spectrum(
        real=_mean(total["magnitude"][0], real),
        fake=_mean(total["magnitude"][1], fake),
        n_real=real,
        n_fake=fake,
        n_small=int(total["small"][0]),
        fingerprint=spectrum_fingerprint(config, images),
    )


def spectrum_fingerprint(config: Config, images: ImageSet) -> str:
    """Returns 16 hex digits over the images and the settings that a spectrum follows from."""
    settings = f"{config.evaluation.spectrum_images} {config.eval_crop}"
    identity = images.identity(config.runtime.compare_images)
    facts = f"spectrum {_VERSION} {identity} {settings}"
    return fingerprint_of(facts)


def _total(config: Config, loader: SpectrumLoader) -> Sums:
    with (
        open_batches(loader, start=0, stop=loader.steps, runtime=config.runtime) as opened,
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
