"""Measures what a test set gives away without its pixels: the metadata baseline.

A detector that saw nothing of an image but its container, sides, JPEG quality and colour mode would
rank the images like this. Where it reaches 1, no result on the set is evidence. Bytes per pixel are
no part of it: they follow from the pixels, too; see `data/cues.py`.
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

# Images of a set that are looked at, real and fake in the set's proportion.
MOST = 1000
_LEAST = 2  # of each label
_DRAWS = 200  # resamples behind the interval
# The cues of a file that need no decoding of its pixels; what metadata it has says too little.
_CUES = frozenset({
    "container", "width", "height", "aspect", "quality", "sampling", "scan", "mode", "depth",
})  # fmt: skip
_ROW = np.dtype([
    ("read", "?"), ("container", "O"), ("width", "i4"), ("height", "i4"), ("mode", "O"),
    ("depth", "i2"), ("quality", "f4"), ("sampling", "O"), ("scan", "O"),
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
        """Returns whether metadata tell more than chance, and a detector no more than metadata."""
        return self.ci95[0] > self.chance and self.ap >= ap


def metadata_baseline(images: ImageSet, *, max_pixels: int, seed: int) -> Baseline | None:
    """Returns how well metadata alone tell real from fake; None with too few readable images.

    Each cue's values fall into groups as in an audit. The share of fakes in an image's group, among
    the images of the other four of five parts, is what the cue says of it; the log odds of all cues
    are added up.

    Args:
      images: the set.
      max_pixels: images with more are left out.
      seed: of the images that are drawn, their parts, and the resampling.
    """
    rng = order.random_generator(seed, stream=order.BASELINE)
    places = np.arange(len(images))
    if len(places) > MOST:
        shares = [np.flatnonzero(images.labels == label) for label in (0, 1)]
        drawn = [rng.permutation(own)[: -(-MOST * len(own) // len(images))] for own in shares]
        # In the set's order: a row group of a table is then read once.
        places = np.sort(np.concatenate(drawn))
    table = np.zeros(len(places), _ROW)
    for row, place in enumerate(places.tolist()):
        facts = file_facts(images, place, max_pixels)
        if facts is not None:
            table[row] = tuple(facts[name] for name in _ROW.names or ())
    label, table = images.labels[places][table["read"]], table[table["read"]]
    if min(np.bincount(label, minlength=2)) < _LEAST:
        return None
    score = _scores(table, label, rng.permutation(len(label)) % FOLDS)
    again = metrics.bootstrap(label, score, {"ap": metrics.ap_of}, draws=_DRAWS, seed=seed)
    return Baseline(
        ap=metrics.average_precision(label, score),
        ci95=metrics.interval(again["ap"]),
        chance=float(label.mean()),
    )


def _scores(table: np.ndarray, label: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Returns the sum of the log odds that each cue gives, f64 [N]."""
    total = np.zeros(len(label))
    for cue in CUES:
        if cue.name not in _CUES:
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
