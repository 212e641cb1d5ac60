"""Tabulates sets under other conditions: protocols side by side, AP over a disturbance's level.

A chain of degradations is shown as a kind of disturbance whose levels are its steps.
"""

import csv
import dataclasses
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from jaxdet.pages import spreadsheet_safe
from jaxdet.report.load import Run
from jaxdet.results import Results, Scores
from jaxdet.streams import printable

PROTOCOL = "protocol"
# The level of images as they are. JPEG has no such level; 101 stands beyond every quality.
UNTOUCHED = 101.0
_FIELDS = (
    "ap", "accuracy", "accuracy_real", "accuracy_fake", "auc", "sharpness_ap", "n_real", "n_fake",
)  # fmt: skip
COLUMNS = ("run", "condition", "kind", "level", "set", *_FIELDS, "ap_low", "ap_high")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """Describes a kind of disturbance, or a chain of them.

    Attributes:
      key: what `Condition.kind` has, and what files are called; of a chain "chain_1" and so on.
      title: for readers.
      axis: what its level is, with the unit.
      undisturbed: the level at which an image stays as it is.
      falling: True where a lower level disturbs more.
      steps: of a chain, the conditions after each step, whose number is the level; else ().
    """

    key: str
    title: str
    axis: str
    undisturbed: float = 0.0
    falling: bool = False
    steps: tuple[str, ...] = ()


# In the order of the page.
KINDS = (
    Kind(key="blur", title="Gaussian blur", axis="sigma, pixels"),
    Kind(key="jpeg", title="JPEG", axis="quality", undisturbed=UNTOUCHED, falling=True),
    Kind(key="scale", title="Resizing", axis="factor", undisturbed=1.0),
    Kind(key="noise", title="Gaussian noise", axis="sigma, grey levels"),
)
# What a step of a chain is called, by the kind of its condition.
_STEPS: Mapping[str, str] = MappingProxyType(
    {"long": "long side", "jpeg": "JPEG", "blur": "blur", "scale": "factor"}
)
PROTOCOL_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "crop": "centre crop",
        "full": "whole image",
        "resize": "resized, then centre crop",
        "five_crops": "five crops",
        "ten_crops": "ten crops",
    }
)


def protocols(results: Results) -> list[tuple[str, Mapping[str, Scores], float | None]]:
    """Returns (title, sets, mean AP) of each protocol, the headline first; [] if it is alone."""
    others = [
        (PROTOCOL_NAMES.get(name, name), one.sets, one.mean_ap)
        for name, one in results.conditions.items()
        if one.kind == PROTOCOL
    ]
    name = PROTOCOL_NAMES.get(results.protocol, results.protocol)
    return [(name, results.sets, results.mean_ap), *others] if others else []


def kinds_of(runs: Sequence[Run]) -> list[Kind]:
    """Returns the kinds of disturbance that any of the runs measured, then the chains."""
    results = [run.results for run in runs]
    kinds = {one.kind for of in results for one in of.conditions.values()}
    return [*(kind for kind in KINDS if kind.key in kinds), *chain_kinds(results)]


def chain_kinds(results: Iterable[Results]) -> list[Kind]:
    """Returns the chains of any of the results, in the order in which they first appear."""
    chains = dict.fromkeys(one for of in results for one in _chains(of))
    return [
        Kind(key=f"chain_{number}", title=f"chain {name}", axis="after", steps=steps)
        for number, (name, steps) in enumerate(chains, start=1)
    ]


def levels(results: Results, kind: Kind) -> list[tuple[float, Mapping[str, Scores], float | None]]:
    """Returns (level, sets, mean AP), undisturbed first, then from mild to strong; [] for none."""
    if kind.steps:
        return _steps_of(results, kind)
    by_level: dict[float, tuple[Mapping[str, Scores], float | None]] = {
        one.level: (one.sets, one.mean_ap)
        for one in results.conditions.values()
        if one.kind == kind.key and one.level is not None
    }
    if by_level:  # a level that changes nothing may have been asked for
        by_level.setdefault(kind.undisturbed, (results.sets, results.mean_ap))
    ordered = sorted(by_level, key=lambda level: _strength(kind, level))
    return [(level, *by_level[level]) for level in ordered]


def _steps_of(
    results: Results, kind: Kind
) -> list[tuple[float, Mapping[str, Scores], float | None]]:
    if all(steps != kind.steps for _, steps in _chains(results)):
        return []
    after = [results.conditions[name] for name in kind.steps]
    scored: list[tuple[Mapping[str, Scores], float | None]] = [(results.sets, results.mean_ap)]
    scored += [(one.sets, one.mean_ap) for one in after]
    return [(float(level), *one) for level, one in enumerate(scored)]


def _chains(results: Results) -> list[tuple[str, tuple[str, ...]]]:
    """Returns name and conditions of each chain of which no condition is missing."""
    return [
        (printable(name), tuple(steps))
        for name, steps in results.chains.items()
        if steps and all(step in results.conditions for step in steps)
    ]


def series(
    results: Results, kind: Kind, name: str | None, *, over: Sequence[str] = ()
) -> list[tuple[float, float]]:
    """Returns (level, AP), ordered by level.

    Args:
      results: of a run.
      kind: of the disturbance.
      name: of a set; None for a mean.
      over: the sets of the mean.
    """
    points = levels(results, kind)
    if name is not None:
        own = [(level, sets[name].ap) for level, sets, _ in points if name in sets]
        return sorted((level, ap) for level, ap in own if ap is not None)
    means = [(level, mean_of(sets, "ap", over)) for level, sets, _ in points]
    return sorted((level, mean) for level, mean in means if mean is not None)


def level_name(kind: Kind, level: float) -> str:
    """Returns the name of a level in figures and tables."""
    if not kind.steps:
        return "none" if level == UNTOUCHED else f"{level:g}"
    if level == kind.undisturbed:
        return "none"
    step, _, value = printable(kind.steps[int(level) - 1]).rpartition("+")[2].partition("-")
    return f"{_STEPS.get(step, step)} {value}"


def mean_of(sets: Mapping[str, Scores], number: str, over: Iterable[str]) -> float | None:
    """Returns the plain mean of "ap" or "accuracy" over the named sets; None if one is missing."""
    values = [getattr(sets.get(name), number, None) for name in over]
    known: list[float] = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def csv_text(runs: Sequence[Run]) -> str:
    """Returns CSV with a line for each set, condition and run; the numbers are as stored."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run in runs:
        for line in raw_lines(run):
            writer.writerow(spreadsheet_safe(c) if isinstance(c, str) else c for c in line)
    return text.getvalue()


def raw_lines(run: Run) -> Iterator[list[object]]:
    """Yields the cells of each set under each condition, in the order of `COLUMNS`."""
    for name, kind, level, sets in _all(run.results):
        for set_name, one in sets.items():
            numbers = [getattr(one, field) for field in _FIELDS]
            yield [run.label, name, kind, level, set_name, *numbers, *(one.ap_ci95 or (None, None))]


def _all(
    results: Results,
) -> Iterator[tuple[str, str, float | None, Mapping[str, Scores]]]:
    """Yields (name, kind, level, sets) of the headline and of each condition."""
    yield results.protocol, PROTOCOL, None, results.sets
    for name, one in results.conditions.items():
        yield name, one.kind, one.level, one.sets


def _strength(kind: Kind, level: float) -> tuple[bool, float]:
    """Sorts a level behind the milder ones; a factor by itself, being both below and above 1."""
    return level != kind.undisturbed, -level if kind.falling else level
