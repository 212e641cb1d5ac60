"""The sets under other conditions: protocols side by side, and AP over a disturbance's level."""

import csv
import dataclasses
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from jaxdet.pages import spreadsheet_safe
from jaxdet.report.load import Run
from jaxdet.results import Results, Scores

# Kinds of disturbance, in the order of the page: title, name of the level, and the level of
# images as they are. JPEG has no such level; 101 stands beyond every quality.
PROTOCOL = "protocol"
UNTOUCHED = 101.0
_FIELDS = (
    "ap", "accuracy", "accuracy_real", "accuracy_fake", "auc", "sharpness_ap", "n_real", "n_fake",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """Describes a kind of disturbance.

    Attributes:
      title: for readers.
      axis: what its level is, with the unit.
      undisturbed: the level at which an image stays as it is.
      falling: True where a lower level disturbs more.
    """

    title: str
    axis: str
    undisturbed: float
    falling: bool = False


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "blur": Kind(title="Gaussian blur", axis="sigma, pixels", undisturbed=0.0),
        "jpeg": Kind(title="JPEG", axis="quality", undisturbed=UNTOUCHED, falling=True),
        "scale": Kind(title="Resizing", axis="factor", undisturbed=1.0),
        "noise": Kind(title="Gaussian noise", axis="sigma, grey levels", undisturbed=0.0),
    }
)
PROTOCOL_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "crop": "centre crop",
        "full": "whole image",
        "resize": "resized, then centre crop",
        "five_crops": "five crops",
    }
)


def protocols(results: Results) -> list[tuple[str, Mapping[str, Scores], float]]:
    """Returns (title, sets, mean AP) of each protocol, the headline first; [] if it is alone."""
    others = [
        (PROTOCOL_NAMES.get(name, name), one.sets, one.mean_ap)
        for name, one in results.conditions.items()
        if one.kind == PROTOCOL
    ]
    name = PROTOCOL_NAMES.get(results.protocol, results.protocol)
    return [(name, results.sets, results.mean_ap), *others] if others else []


def kinds_of(runs: Sequence[Run]) -> list[str]:
    """Returns the kinds of disturbance that any of the runs measured, in the order of `KINDS`."""
    found = {one.kind for run in runs for one in run.results.conditions.values()}
    return [kind for kind in KINDS if kind in found]


def levels(results: Results, kind: str) -> list[tuple[float, Mapping[str, Scores], float]]:
    """Returns (level, sets, mean AP), undisturbed first, then from mild to strong; [] for none."""
    found: dict[float, tuple[Mapping[str, Scores], float]] = {
        one.level: (one.sets, one.mean_ap)
        for one in results.conditions.values()
        if one.kind == kind and one.level is not None
    }
    if found:  # a level that changes nothing may have been asked for
        found.setdefault(KINDS[kind].undisturbed, (results.sets, results.mean_ap))
    ordered = sorted(found, key=lambda level: _strength(kind, level))
    return [(level, *found[level]) for level in ordered]


def series(
    results: Results, kind: str, name: str | None, *, over: Sequence[str] = ()
) -> list[tuple[float, float]]:
    """Returns (level, AP), ordered by level.

    Args:
      results: of a run.
      kind: of the disturbance.
      name: of a set; None for a mean.
      over: the sets of the mean.
    """
    found = levels(results, kind)
    if name is not None:
        return sorted((level, sets[name].ap) for level, sets, _ in found if name in sets)
    means = [(level, mean_of(sets, "ap", over)) for level, sets, _ in found]
    return sorted((level, mean) for level, mean in means if mean is not None)


def level_name(kind: str, level: float) -> str:
    """Returns the name of a level in figures and tables."""
    return "none" if level == UNTOUCHED else f"{level:g}"


def mean_of(sets: Mapping[str, Scores], number: str, over: Iterable[str]) -> float | None:
    """Returns the plain mean of "ap" or "accuracy" over the named sets; None if one is missing."""
    names = list(over)
    if not names or any(name not in sets for name in names):
        return None
    return sum(getattr(sets[name], number) for name in names) / len(names)


def csv_text(runs: Sequence[Run]) -> str:
    """Returns CSV with a line for each set, condition and run; the numbers are as stored."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", "condition", "kind", "level", "set", *_FIELDS, "ap_low", "ap_high"])
    for run in runs:
        for name, kind, level, sets in _all(run.results):
            for set_name, one in sets.items():
                numbers = [getattr(one, field) for field in _FIELDS]
                ends = one.ap_ci95 or (None, None)
                texts = map(spreadsheet_safe, (run.label, name, kind))
                writer.writerow([*texts, level, spreadsheet_safe(set_name), *numbers, *ends])
    return text.getvalue()


def _all(
    results: Results,
) -> Iterator[tuple[str, str, float | None, Mapping[str, Scores]]]:
    """Yields (name, kind, level, sets) of the headline and of each condition."""
    yield results.protocol, PROTOCOL, None, results.sets
    for name, one in results.conditions.items():
        yield name, one.kind, one.level, one.sets


def _strength(kind: str, level: float) -> tuple[bool, float]:
    """Sorts a level behind the milder ones; a factor by itself, being both below and above 1."""
    order = -level if KINDS[kind].falling else level
    return level != KINDS[kind].undisturbed, order
