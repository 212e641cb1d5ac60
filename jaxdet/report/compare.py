"""Runs against each other: paired differences on the same images, and spread over seeds."""

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxdet import metrics
from jaxdet.report.load import Run, read_predictions
from jaxdet.report.rows import ap_by_set, set_names
from jaxdet.results import Predictions
from jaxdet.streams import printable

# Options in which repeated runs may differ; the last one is what stands beside the numbers.
_FREE = ("name", "seed", "evaluation.published")
# A config that asks for more was not that of a run.
_MOST_DRAWS = 100_000
MEAN_OF_BOTH = "mean over sets of both"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """Describes the AP of a run less that of the first run, on the images that both scored.

    Attributes:
      ap: -1..1.
      ends: 95 % interval of the paired bootstrap; None without draws.
      n_left_out: images that only one of the two scored.
      draws: f64 [draws] behind the interval; None without.
    """

    ap: float
    ends: tuple[float, float] | None
    n_left_out: int
    draws: np.ndarray | None

    @property
    def is_clear(self) -> bool:
        """Returns whether the interval leaves out 0."""
        return self.ends is not None and not self.ends[0] <= 0 <= self.ends[1]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Repeated:
    """Describes runs of one config with different seeds.

    Pairs are (mean, standard deviation over runs).

    Attributes:
      labels: of the runs.
      seeds: of the runs, as text.
      ap: by the sets that all of them scored; None of a set of one label.
      accuracy: likewise, of any set.
      mean_ap: of each run's mean over these sets; None where none has an AP.
      mean_accuracy: likewise, over all.
    """

    labels: tuple[str, ...]
    seeds: tuple[str, ...]
    ap: dict[str, tuple[float, float] | None]
    accuracy: dict[str, tuple[float, float]]
    mean_ap: tuple[float, float] | None
    mean_accuracy: tuple[float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """Holds the comparison of several runs; all of it is empty for one run.

    Attributes:
      differences: of each set, of every run but the first; None where one of the two did not
        score the set, or has no predictions of it any more, and for images of one label.
      means: of every run but the first, over those sets that both scored.
      repeats: groups of runs that differ in nothing but seed, name and machine.
      apart: a sentence for each set whose images two runs do not share, though they seem to.
    """

    differences: dict[str, list[Difference | None]]
    means: list[Difference | None]
    repeats: list[Repeated]
    apart: list[str]

    @property
    def n_left_out(self) -> int:
        """Returns how many images only one of two runs scored, over all sets and runs."""
        return sum(one.n_left_out for one in self.means if one is not None)


def compare(runs: Sequence[Run]) -> Comparison:
    """Compares the runs with the first one, and those of one config with each other.

    Raises:
      UserError: where predictions are damaged.
    """
    apart: list[str] = []
    reals = _shared_reals(runs)
    found = {
        # A seed for each set: they are drawn independently, but for real images that they share.
        name: _differences(
            runs, name, apart, seed=place, real_seed=None if own is None else [0, own]
        )
        for place, (name, own) in enumerate(reals.items())
    }
    differences = {name: row for name, row in found.items() if any(row)}
    return Comparison(
        differences=differences,
        means=[_mean(column) for column in zip(*differences.values(), strict=True)],
        repeats=_repeats(runs),
        apart=apart,
    )


def _shared_reals(runs: Sequence[Run]) -> dict[str, int | None]:
    """Returns a number for the real images of each set, equal where the first run's sets share."""
    keys: dict[str, bytes] = {}
    for name in set_names(runs):
        rows = read_predictions(runs[0], name) if len(runs) > 1 else None
        keys[name] = b"" if rows is None else rows.reals_key()
    return metrics.shared_reals(keys)


def _differences(
    runs: Sequence[Run], name: str, apart: list[str], **seeds: Any
) -> list[Difference | None]:
    """Returns each run's difference from the first; sentences about what is none go to `apart`."""
    if len(runs) < 2:
        return []
    first, draws = read_predictions(runs[0], name), _draws(runs[0])
    found: list[Difference | None] = []
    for run in runs[1:]:
        second = read_predictions(run, name)
        if first and second and first.numbering != second.numbering:
            apart.append(
                f"{printable(name)}: {runs[0].label} and {run.label} scored other rows of a table, "
                "or a table that changed: their numbers are not those of the same images, and no "
                "difference is taken"
            )
            second = None
        found.append(_difference(first, second, draws=draws, **seeds))
    return found


def _mean(column: Sequence[Difference | None]) -> Difference | None:
    """Returns the difference in the mean over the sets; None where there are none."""
    there = [one for one in column if one is not None]
    if not there:
        return None
    drawn = [one.draws for one in there if one.draws is not None]
    # One set without draws leaves the mean without an interval.
    draws = np.mean(drawn, axis=0) if len(drawn) == len(there) else None
    return Difference(
        ap=statistics.fmean(one.ap for one in there),
        ends=None if draws is None else metrics.interval(draws),
        n_left_out=sum(one.n_left_out for one in there),
        draws=draws,
    )


def _repeats(runs: Sequence[Run]) -> list[Repeated]:
    found: dict[tuple[tuple[str, str], ...], list[Run]] = {}
    for run in runs:
        if "seed" in run.options:
            found.setdefault(_setup(run), []).append(run)
    # A run given twice is no second training.
    groups = [alike for alike in found.values() if 1 < len(alike) == len(set(map(_seed, alike)))]
    return [_repeated(alike, sets) for alike in groups if (sets := _shared_sets(alike))]


def _draws(run: Run) -> int:
    """Returns the number of draws behind the run's own intervals; 1000 where it is not known."""
    draws = run.options.get("evaluation.bootstrap")
    return draws if type(draws) is int and 0 <= draws <= _MOST_DRAWS else 1000


def _seed(run: Run) -> str:
    return printable(str(run.options["seed"]))


def _shared_sets(runs: Sequence[Run]) -> list[str]:
    return [name for name in set_names(runs) if all(name in run.results.sets for run in runs)]


def _difference(
    first: Predictions | None, second: Predictions | None, *, draws: int, **seeds: Any
) -> Difference | None:
    if first is None or second is None:
        return None
    shared, before, after = np.intersect1d(first.id, second.id, return_indices=True)
    if not shared.size:
        return None
    label, old, new = first.label[before], first.logit[before], second.logit[after]
    if len(set(label)) < 2:
        return None
    group = None if first.groups is None else first.groups[before]
    drawn = metrics.paired_differences(
        label, old, new, metrics.ap_of, draws=draws, group=group, **seeds
    )
    return Difference(
        ap=metrics.average_precision(label, new) - metrics.average_precision(label, old),
        ends=None if drawn is None else metrics.interval(drawn),
        n_left_out=first.id.size + second.id.size - 2 * shared.size,
        draws=drawn,
    )


def _setup(run: Run) -> tuple[tuple[str, str], ...]:
    """Returns the options that make a run what it is."""
    return tuple(
        (name, repr(value))
        for name, value in sorted(run.options.items())
        if name not in _FREE and not name.startswith("runtime.")
    )


def _repeated(runs: Sequence[Run], sets: Sequence[str]) -> Repeated:
    found = [ap_by_set(run.results) for run in runs]
    ap = {name: [one[name] for one in found] for name in sets if all(name in one for one in found)}
    accuracy = {name: [run.results.sets[name].accuracy for run in runs] for name in sets}
    return Repeated(
        labels=tuple(run.label for run in runs),
        seeds=tuple(map(_seed, runs)),
        ap={name: _spread(ap[name]) if name in ap else None for name in sets},
        accuracy={name: _spread(values) for name, values in accuracy.items()},
        mean_ap=_spread_of_means(ap) if ap else None,
        mean_accuracy=_spread_of_means(accuracy),
    )


def _spread_of_means(values: dict[str, list[float]]) -> tuple[float, float]:
    return _spread([statistics.fmean(run) for run in zip(*values.values(), strict=True)])


def _spread(values: Sequence[float]) -> tuple[float, float]:
    return statistics.fmean(values), statistics.stdev(values)
