"""Tabulates chains of degradations: what each step costs, and AUC over all conditions."""

import dataclasses
import itertools
from collections.abc import Mapping

from jaxdet.report.conditions import Kind, chain_kinds, level_name, levels
from jaxdet.report.rows import MEAN, NONE, interval, percent
from jaxdet.results import Results, Scores
from jaxdet.streams import printable

_COST_NOTE = (
    "AP in percent after each step, and the points by which it differs from the step before."
)
_POOLED_NOTE = (
    "AUC in percent of the images as they are and after each chain; pooled: of all these images in "
    "one ranking, with its 95 % interval over resampled images, where one threshold has to serve "
    "however an image was delivered."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChainTable:
    """Holds a table of text.

    Attributes:
      title: what it is.
      head: of its columns.
      lines: a line for each set, the mean last.
      note: how to read it.
    """

    title: str
    head: list[str]
    lines: list[list[str]]
    note: str


def chain_tables(results: Results) -> list[ChainTable]:
    """Returns the table of each chain and that of the pooled AUC; [] without chains."""
    kinds = chain_kinds([results])
    costs = [table for kind in kinds if (table := cost_table(results, kind))]
    pooled = pooled_table(results)
    return [*costs, pooled] if pooled else costs


def cost_table(results: Results, kind: Kind) -> ChainTable | None:
    """Returns what each step of a chain costs on each set; None where the run has no such chain."""
    after = levels(results, kind) if kind.steps else []
    if not after:
        return None
    lines = [
        [printable(name), *_costs([_value(sets, name, "ap") for _, sets, _ in after])]
        for name in results.sets
    ]
    return ChainTable(
        title=f"{kind.title}: what each step costs",
        head=["set", *(level_name(kind, level) for level, _, _ in after)],
        lines=[*lines, [MEAN, *_costs([mean for _, _, mean in after])]],
        note=_COST_NOTE,
    )


def pooled_table(results: Results) -> ChainTable | None:
    """Returns the AUC of each set as it is, after each chain and pooled; None without chains."""
    kinds = chain_kinds([results])
    if not kinds:
        return None
    after: list[Mapping[str, Scores]] = [results.sets]
    after += [results.conditions[kind.steps[-1]].sets for kind in kinds]
    pooled = {
        name: [*(_value(sets, name, "auc") for sets in after), one.pooled_auc]
        for name, one in results.sets.items()
    }
    lines = [
        [printable(name), *map(percent, values), interval(results.sets[name].pooled_auc_ci95)]
        for name, values in pooled.items()
    ]
    # Sets of one label have no AUC, and no part in the means.
    ranked = [row for row in pooled.values() if any(value is not None for value in row)]
    means = [_mean(column) for column in zip(*ranked, strict=True)] or [None] * (len(after) + 1)
    return ChainTable(
        title="AUC after chains of degradations",
        head=["set", "none", *(kind.title for kind in kinds), "pooled", "95 %"],
        lines=[*lines, [MEAN, *map(percent, means), ""]],
        note=_POOLED_NOTE,
    )


def _costs(values: list[float | None]) -> list[str]:
    """Writes the first AP, then each with what it gained or lost: `91.2 (-3.1)`."""
    pairs = itertools.pairwise(values)
    return [percent(values[0]), *(_cost(before, after) for before, after in pairs)]


def _cost(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return NONE
    return f"{percent(after)} ({100 * (after - before):+.1f})"


def _value(sets: Mapping[str, Scores], name: str, number: str) -> float | None:
    return getattr(sets[name], number) if name in sets else None


def _mean(values: tuple[float | None, ...]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
