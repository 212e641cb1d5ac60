"""Lays generators side by side, as table 1 of Frank and Holz, and table 2 of Wang et al.

A row a run, or three where something is published: printed, measured, difference; and the
sharpness baseline, once where it is the same for all runs. A column a generator by its usual name,
in the order of the papers and below its family, then the mean. The generator that a run was trained
on is marked in its rows.
"""

import csv
import dataclasses
import io
import itertools
from collections.abc import Mapping, Sequence

from jaxdet.metrics import PROTOCOLS, USUAL_NAMES, family_heads
from jaxdet.pages import spreadsheet_safe
from jaxdet.report import latex
from jaxdet.report.labels import differences_line
from jaxdet.report.load import Run
from jaxdet.report.markdown import escaped, markdown_table
from jaxdet.report.published import NOTE, difference, difference_text, has_published, source
from jaxdet.report.rows import (
    FLOOR_MARK,
    MARK_NOTE,
    TRAINED_MARK,
    TRAINED_NOTE,
    ap_by_set,
    percent,
    ranked_names,
    shared_baselines,
    trained_set,
    without_evidence,
)
from jaxdet.streams import printable

PUBLISHED, MEASURED, DIFFERENCE = "published", "measured", "difference"
SHARPNESS = "sharpness"
_ALL_RUNS = "all runs"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """Describes a line of a table beside published values.

    Attributes:
      run: label of the run.
      kind: PUBLISHED, MEASURED, DIFFERENCE or SHARPNESS.
      values: by set and then the mean; AP 0..1, a difference in points; None where there is none.
      at_floor: places of the values that do not clearly exceed one of the two baselines.
      trained: places of the values of the generator that was trained on.
    """

    run: str
    kind: str
    values: tuple[float | None, ...]
    at_floor: frozenset[int] = frozenset()
    trained: frozenset[int] = frozenset()

    @property
    def cells(self) -> list[str]:
        """Returns the values as text: AP in percent, marked if it does not exceed the baseline."""
        if self.kind == DIFFERENCE:
            return [difference_text(value) for value in self.values]
        return [
            percent(value)
            + FLOOR_MARK * (place in self.at_floor)
            + TRAINED_MARK * (place in self.trained)
            for place, value in enumerate(self.values)
        ]


def columns(runs: Sequence[Run]) -> list[str]:
    """Returns the sets: first those of the papers, in their order, then others as they come."""
    names = ranked_names(runs)
    return [n for n in USUAL_NAMES if n in names] + [n for n in names if n not in USUAL_NAMES]


def titles(runs: Sequence[Run]) -> list[str]:
    """Returns the usual names of the columns, and that of the mean."""
    return [printable(USUAL_NAMES.get(name, name)) for name in columns(runs)] + ["mAP"]


def averaged(runs: Sequence[Run]) -> Sequence[str]:
    """Returns the sets to average: the papers' eleven where runs have them, else all columns."""
    eleven = PROTOCOLS["eleven"]
    return eleven if set(eleven) <= set(ranked_names(runs)) else columns(runs)


def lines(runs: Sequence[Run]) -> list[Line]:
    """Returns the lines of all runs, with the sharpness baseline last where it is one for all."""
    names, mean_over, shared = columns(runs), averaged(runs), shared_baselines(runs)
    found = []
    for run in runs:
        found += _lines(run, names, mean_over)
        if shared is None:
            own = {name: one.sharpness_ap for name, one in run.results.sets.items()}
            found.append(_line(run.label, SHARPNESS, own, names, mean_over))
    label = runs[0].label if len(runs) == 1 else _ALL_RUNS
    last = [] if shared is None else [_line(label, SHARPNESS, shared, names, mean_over)]
    return [*found, *last]


def latex_text(runs: Sequence[Run]) -> str:
    """Returns the table for LaTeX with booktabs."""
    body: list[list[str]] = []
    for before, line in itertools.pairwise([None, *lines(runs)]):
        assert line is not None
        first = before is None or before.run != line.run
        if body and first:
            body.append([latex.RULE])
        cells = (
            map(latex.difference, line.values)
            if line.kind == DIFFERENCE
            else map(latex.escaped, line.cells)
        )
        body.append([latex.escaped(line.run) if first else "", line.kind, *cells])
    head = ["Run", "AP", *map(latex.escaped, titles(runs))]
    caption = _caption(runs, latex.NOTE)
    above = list(map(latex.escaped, _families(runs)))
    return latex.table(head, body, caption=caption, label="comparison", text_columns=2, above=above)


def csv_text(runs: Sequence[Run]) -> str:
    """Returns the table as CSV with the numbers as they are stored; differences in points."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", "row", *map(spreadsheet_safe, columns(runs)), "mean"])
    writer.writerows([spreadsheet_safe(line.run), line.kind, *line.values] for line in lines(runs))
    return text.getvalue()


def markdown_text(runs: Sequence[Run]) -> str:
    """Returns the table for Markdown."""
    families = [cells] if (cells := _families(runs)) else []
    body = [*families, *([line.run, line.kind, *line.cells] for line in lines(runs))]
    return (
        markdown_table(["run", "AP", *titles(runs)], body) + f"\n{escaped(_caption(runs, NOTE))}\n"
    )


def _families(runs: Sequence[Run]) -> list[str]:
    """Returns a line with the family of the columns, and nothing above the others; or []."""
    heads = family_heads(columns(runs))
    return ["", "", *heads, ""] if any(heads) else []


def _lines(run: Run, names: Sequence[str], mean_over: Sequence[str]) -> list[Line]:
    sets = run.results.sets
    ours = ap_by_set(run.results)
    marked = frozenset(
        place for place, name in enumerate(names) if name in sets and without_evidence(sets[name])
    )
    trained = frozenset(
        place for place, name in enumerate(names) if name in sets and name == trained_set(run)
    )
    measured = _line(run.label, MEASURED, ours, names, mean_over)
    found = [dataclasses.replace(measured, at_floor=marked, trained=trained)]
    if has_published(run.results):
        theirs = {n: one.published_ap for n, one in sets.items() if one.published_ap is not None}
        printed = _line(run.label, PUBLISHED, theirs, names, mean_over)
        found.insert(0, dataclasses.replace(printed, trained=trained))
        pairs = zip(found[1].values, found[0].values, strict=True)
        gaps = tuple(difference(one, other) for one, other in pairs)
        found.append(Line(run=run.label, kind=DIFFERENCE, values=gaps))
    return found


def _line(
    label: str,
    kind: str,
    ap: Mapping[str, float | None],
    names: Sequence[str],
    mean_over: Sequence[str],
) -> Line:
    known = [value for name in mean_over if (value := ap.get(name)) is not None]
    mean = sum(known) / len(known) if known and len(known) == len(mean_over) else None
    return Line(run=label, kind=kind, values=(*(ap.get(name) for name in names), mean))


def _caption(runs: Sequence[Run], note: str) -> str:
    over = averaged(runs)
    which = "the eleven sets of the papers" if over == PROTOCOLS["eleven"] else "all sets shown"
    sources = [f"{run.label}: {source(run.results)}" for run in runs if has_published(run.results)]
    said = (
        f"Average precision in percent; mAP: plain mean over {which}. "
        f"{SHARPNESS}: the sharpness baseline, AP of the images' sharpness alone; {MARK_NOTE}."
    )
    if any(trained_set(run) in run.results.sets for run in runs):
        said += f" {TRAINED_NOTE}."
    differs = differences_line([(run.label, run.differs) for run in runs])
    said += f" Runs: {differs}." if differs else ""
    return f"{said} Published: {' | '.join(sources)}. {note}." if sources else said
