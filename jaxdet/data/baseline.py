"""Measures what a test set gives away without its pixels: the metadata baseline.

A detector that saw nothing of an image but its container, sides, JPEG quality, colour mode and
which metadata it has would rank the images like this. Where it reaches 1, no result on the set is
evidence. Bytes per pixel are no part of it: they follow from the pixels, too; see `data/cues.py`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from jaxdet import metrics
from jaxdet.data import order
from jaxdet.data.cues import CUES, FOLDS, cue_values, grouped, held_out_scores
from jaxdet.data.header import read_header
from jaxdet.data.images import ImageSet
from jaxdet.data.ops.opening import open_image

# Images of a set that are looked at, real and fake in the set's proportion, but as many of each
# label as there are up to a floor: of few, no cue could be learned.
MOST, FLOOR = 1000, 250
_LEAST = 2  # of each label
_DRAWS = 200  # resamples behind the interval
_ROW = np.dtype([
    ("read", "?"), ("container", "O"), ("width", "i4"), ("height", "i4"), ("mode", "O"),
    ("depth", "i2"), ("quality", "f4"), ("sampling", "O"), ("scan", "O"), ("exif", "O"),
    ("icc", "O"), ("metadata", "O"),
])  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Baseline:
    """Holds the metadata baseline of a set.

    Attributes:
      ap: 0..1, of fakes ranked by metadata alone.
      ci95: its 95 % interval over resampled images.
      chance: AP of a ranking without information: the share of fakes.
    """

    ap: float
    ci95: tuple[float, float]
    chance: float

    def exceeds(self, ap: float) -> bool:
        """Returns whether metadata tell more than chance, and a detector no more than metadata.

        Args:
          ap: of the detector, at the lower end of its interval.
        """
        return self.ci95[0] > self.chance and self.ap >= ap


def metadata_baseline(images: ImageSet, *, max_pixels: int, seed: int) -> Baseline | None:
    """Returns how well metadata alone tell real from fake; None with too few readable images.

    Each cue's values fall into groups as in an audit. The share of fakes in an image's group, among
    the images of the other four of five parts, is what the cue says of it; the log odds of all cues
    are added up. Of a label with few images all are looked at; the AP is that of the set's own
    share of fakes all the same.

    Args:
      images: the set.
      max_pixels: images with more are left out.
      seed: of the images that are drawn, their parts, and the resampling.
    """
    rng = order.random_generator(seed, stream=order.BASELINE)
    places = _drawn(images.labels, rng)
    table = np.zeros(len(places), _ROW)
    for row, place in enumerate(places.tolist()):
        facts = file_facts(images, place, max_pixels)
        if facts is not None:
            table[row] = tuple(facts[name] for name in _ROW.names or ())
    return _baseline(table, images.labels, places, rng, seed)


def scanned_baseline(table: np.ndarray, labels: np.ndarray, *, seed: int) -> Baseline | None:
    """Returns the same as `metadata_baseline` from facts about all files of a set.

    Args:
      table: [N], a row a file with the cues' fields, as an audit has them.
      labels: [N], 1 = fake.
      seed: as there.
    """
    rng = order.random_generator(seed, stream=order.BASELINE)
    places = _drawn(labels, rng)
    return _baseline(table[places], labels, places, rng, seed)


def _drawn(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns the places of the images that are looked at, sorted: all of few."""
    if len(labels) <= MOST:
        return np.arange(len(labels))
    shares = [np.flatnonzero(labels == label) for label in (0, 1)]
    drawn = [
        rng.permutation(own)[: max(FLOOR, -(-MOST * len(own) // len(labels)))] for own in shares
    ]
    # In the set's order: a row group of a table is then read once.
    return np.sort(np.concatenate(drawn))


def _baseline(
    table: np.ndarray, labels: np.ndarray, places: np.ndarray, rng: np.random.Generator, seed: int
) -> Baseline | None:
    """Returns the baseline by the facts about some places of a set, where enough can be read."""
    label, table = labels[places][table["read"]], table[table["read"]]
    if min(np.bincount(label, minlength=2)) < _LEAST:
        return None
    score = _scores(table, label, rng.permutation(len(label)) % FOLDS)
    ap_of = _ap_at(labels, label)
    again = metrics.bootstrap(label, score, {"ap": ap_of}, draws=_DRAWS, seed=seed)
    return Baseline(
        ap=metrics.value(ap_of, metrics.tally(label, score)) or 0.0,
        ci95=metrics.interval(again["ap"]),
        chance=float(labels.mean()),
    )


def _ap_at(labels: np.ndarray, drawn: np.ndarray) -> metrics.Measure:
    """Returns the AP where each drawn image stands for as many of its label as the set has.

    Args:
      labels: of the set.
      drawn: of the images that were looked at.
    """
    reals, fakes = np.bincount(labels, minlength=2) / np.bincount(drawn, minlength=2)

    def ap_of(counts: metrics.Tally) -> np.ndarray:
        whole = metrics.Tally(
            score=counts.score, fakes=fakes * counts.fakes, reals=reals * counts.reals
        )
        return metrics.ap_of(whole)

    return ap_of


def _scores(table: np.ndarray, label: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Returns the sum of the log odds that each cue gives, f64 [N]."""
    total = np.zeros(len(label))
    for cue in CUES:
        if not cue.leak:
            continue
        values, there = cue_values(cue, table)
        if min(np.bincount(label[there], minlength=2)) < _LEAST:
            continue
        group = grouped(values[there], ordered=cue.ordered)
        share = held_out_scores(group, label[there], fold[there])
        total[there] += np.log(share / (1 - share))
    return total


def file_facts(images: ImageSet, place: int, max_pixels: int) -> Mapping[str, Any] | None:
    """Returns the fields of an image's `Header`, its width and height; None where unreadable."""
    try:
        content = images.content(place, max_pixels=max_pixels)
        with open_image(content, max_pixels=max_pixels) as image:
            return _of_header(image, content)
    except Exception:  # damaged files make Pillow's readers raise nearly anything
        return None


def _of_header(image: Image.Image, content: bytes) -> Mapping[str, Any]:
    header = dataclasses.asdict(read_header(image, content))
    width, height = image.size
    return {**header, "read": True, "width": width, "height": height}
