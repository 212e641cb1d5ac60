"""Shows average spectra of the sets, real beside fake; Wang et al., CVPR 2020, figure 7."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from jaxdet import metrics
from jaxdet.report.load import Run, file_of
from jaxdet.report.rows import set_names
from jaxdet.results import Spectrum, read_arrays

# Of all values of a set, what the darkest and the brightest shade stand for, percent.
_DARKEST, _BRIGHTEST = 1.0, 99.9
MOST_PIXELS = 256
_MANY = 20  # pairs; more are shown with half the pixels, lest the page grow too large
_NOTHING = -12.0  # log10 of what stands for a magnitude of 0, which has none


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpectrumPair:
    """Holds the spectra of a set on one scale.

    Attributes:
      set: its name.
      runs: labels of the runs that measured exactly this; spectra do not depend on weights.
      real: f64 [S, S], log10 of the mean magnitude; None without real images.
      fake: likewise.
      n_real: real images in the mean.
      n_fake: fakes in the mean.
      n_small: images left out as too small.
      low: log10 magnitude of the darkest shade.
      high: of the brightest.
      peaks: (period in pixels, how far its frequencies stand out of their surroundings in real
        and in fake, None without such images); see `metrics.periodic_peaks`.
    """

    set: str
    runs: tuple[str, ...]
    real: np.ndarray | None
    fake: np.ndarray | None
    n_real: int
    n_fake: int
    n_small: int
    low: float
    high: float
    peaks: tuple[tuple[int, float | None, float | None], ...]


def spectra_of(runs: Sequence[Run]) -> list[SpectrumPair]:
    """Returns all spectra, set by set; runs with equal ones share them.

    Raises:
      UserError: where a file is damaged.
    """
    spectra = [one for name in set_names(runs) for one in _of_set(runs, name)]
    most = MOST_PIXELS if len(spectra) <= _MANY else MOST_PIXELS // 2
    return [_pair(*one, most=most) for one in spectra]


def _of_set(runs: Sequence[Run], name: str) -> Iterator[tuple[str, Spectrum, tuple[str, ...]]]:
    """Yields (set, spectra, labels of the runs that have exactly these)."""
    spectra: dict[bytes, tuple[Spectrum, list[str]]] = {}
    for run in runs:
        if path := file_of(run.folder.spectrum, name):
            spectrum = read_arrays(path, Spectrum)
            same = spectrum.real.tobytes() + spectrum.fake.tobytes()
            spectra.setdefault(same, (spectrum, []))[1].append(run.label)
    for spectrum, labels in spectra.values():
        yield name, spectrum, tuple(labels)


def _pair(name: str, spectrum: Spectrum, labels: tuple[str, ...], *, most: int) -> SpectrumPair:
    real, fake = _logarithm(spectrum.real, most), _logarithm(spectrum.fake, most)
    values = [one[one > _NOTHING] for one in (real, fake) if one is not None]
    there = np.concatenate([*values, [_NOTHING]] if not sum(map(np.size, values)) else values)
    low, high = np.percentile(there, [_DARKEST, _BRIGHTEST])
    return SpectrumPair(
        set=name, runs=labels, real=real, fake=fake, n_real=spectrum.n_real,
        n_fake=spectrum.n_fake, n_small=spectrum.n_small, low=float(low), high=float(high),
        peaks=_peaks(spectrum),
    )  # fmt: skip


def _peaks(spectrum: Spectrum) -> tuple[tuple[int, float | None, float | None], ...]:
    real, fake = (metrics.periodic_peaks(one) for one in (spectrum.real, spectrum.fake))
    return tuple((period, _number(real[period]), _number(fake[period])) for period in real)


def _number(ratio: float) -> float | None:
    return None if np.isnan(ratio) else ratio


def _logarithm(magnitude: np.ndarray, most: int) -> np.ndarray | None:
    """Returns log10 of a spectrum, at most `most` pixels a side; None where there is nothing."""
    if not magnitude.size or not np.isfinite(magnitude).all():
        return None
    return np.log10(np.maximum(_smaller(magnitude.astype(np.float64), most), 10**_NOTHING))


def _smaller(values: np.ndarray, most: int) -> np.ndarray:
    """Returns the largest value of each block: a peak is one pixel wide and must not fade."""
    every = -(-max(values.shape) // most)
    edges = [np.arange(0, side, every) for side in values.shape]
    return np.maximum.reduceat(np.maximum.reduceat(values, edges[0], axis=0), edges[1], axis=1)
