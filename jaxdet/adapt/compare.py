"""Compares a detector before and after, with intervals, and names what is lost."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from jaxdet import metrics
from jaxdet.adapt.fit import TOLERANCE
from jaxdet.metrics import Measure
from jaxdet.report.tables import aligned
from jaxdet.streams import printable

DRAWS, SEED = 2000, 0
_MEASURES: dict[str, Measure] = {
    "balanced_accuracy": metrics.balanced_accuracy_at,
    "ap": metrics.ap_of,
}
TITLES = {"balanced_accuracy": "balanced accuracy", "ap": "AP"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """Holds a number before and after, with the middle 95 % of a paired bootstrap.

    Attributes:
      before: 0..1.
      before_ci95: its interval.
      after: 0..1.
      after_ci95: its interval.
      gain: after less before.
      gain_ci95: its interval, of the same images before and after in each draw.
    """

    before: float
    before_ci95: tuple[float, float]
    after: float
    after_ci95: tuple[float, float]
    gain: float
    gain_ci95: tuple[float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparedRow:
    """Holds what became of one set.

    Attributes:
      name: of the set.
      how: "out of fold", "test images" or "old".
      n_real: its real images.
      n_fake: its fake images.
      figures: by name of a measure; none of a set of one label.
    """

    name: str
    how: str
    n_real: int
    n_fake: int
    figures: dict[str, Figure]

    def losses(self, most: float) -> list[str]:
        """Returns a sentence for each number that fell by more than `most`."""
        return [
            f"{self.name} loses {-one.gain:.3f} of its {TITLES[name]} ({one.before:.3f} to "
            f"{one.after:.3f})"
            for name, one in self.figures.items()
            if -one.gain > most + TOLERANCE
        ]


def compare(
    name: str, how: str, label: np.ndarray, before: np.ndarray, after: np.ndarray
) -> ComparedRow:
    """Returns the row of a set, of its labels [N] and its logits before and after, [N] each."""
    is_both = len(set(label.tolist())) == 2
    figures = {
        title: _figure(measure, label, before, after)
        for title, measure in _MEASURES.items()
        if is_both
    }
    fakes = int(label.sum())
    return ComparedRow(name=name, how=how, n_real=len(label) - fakes, n_fake=fakes, figures=figures)


def _figure(measure: Measure, label: np.ndarray, before: np.ndarray, after: np.ndarray) -> Figure:
    draw = partial(metrics.bootstrap, label, draws=DRAWS, seed=SEED)
    values = [float(measure(metrics.tally(label, one))) for one in (before, after)]
    ends = [metrics.interval(draw(one, {"": measure})[""]) for one in (before, after)]
    gains = metrics.paired_differences(label, before, after, measure, draws=DRAWS, seed=SEED)
    assert gains is not None  # both labels are there
    return Figure(
        before=values[0],
        before_ci95=ends[0],
        after=values[1],
        after_ci95=ends[1],
        gain=values[1] - values[0],
        gain_ci95=metrics.interval(gains),
    )


def to_text(rows: Sequence[ComparedRow]) -> str:
    """Returns the table of all rows, percent with 95 % intervals."""
    head = ["set", "", "real", "fake"]
    for title in TITLES.values():
        head += [f"{title} before", "after", "change"]
    body = [
        [printable(one.name), one.how, str(one.n_real), str(one.n_fake), *_cells(one)]
        for one in rows
    ]
    return aligned([head, *body]).rstrip("\n")


def _cells(row: ComparedRow) -> list[str]:
    cells: list[str] = []
    for title in TITLES:
        one: Any = row.figures.get(title)
        if one is None:
            cells += ["-"] * 3
            continue
        cells += [
            _cell(one.before, one.before_ci95),
            _cell(one.after, one.after_ci95),
            _cell(one.gain, one.gain_ci95, sign="+"),
        ]
    return cells


def _cell(value: float, ends: tuple[float, float], *, sign: str = "") -> str:
    low, high = (percent(end, sign=sign) for end in ends)
    return f"{percent(value, sign=sign)} [{low}, {high}]"


def percent(share: float, *, sign: str = "") -> str:
    """Returns a share in percent; with the sign "+", one of a gain, too."""
    return f"{100 * share:{sign}.1f}"
