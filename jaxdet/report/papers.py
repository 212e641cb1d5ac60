"""Generators side by side: the layout of table 1 of Frank and Holz, and table 2 of Wang et al.

A row a run, or three where something is published: printed, measured, difference. A column a
generator by its usual name, in the order of the papers, then the mean.
"""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence

from jaxdet.metrics import PROTOCOLS, USUAL_NAMES
from jaxdet.pages import printable, spreadsheet_safe
from jaxdet.report import latex
from jaxdet.report.load import Run
from jaxdet.report.markdown import escaped, markdown_table
from jaxdet.report.published import NOTE, difference, difference_text, has_published, source
from jaxdet.report.rows import percent, set_names

PUBLISHED, MEASURED, DIFFERENCE = "published", "measured", "difference"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the table.

    Attributes:
      run: label of the run.
      kind: PUBLISHED, MEASURED or DIFFERENCE.
      values: by set and then the mean; AP 0..1, a difference in points; None where there is none.
    """

    run: str
    kind: str
    values: tuple[float | None, ...]

    @property
    def cells(self) -> list[str]:
        """The values as text; AP in percent."""
        if self.kind == DIFFERENCE:
            return [difference_text(value) for value in self.values]
        return [percent(value) for value in self.values]


def columns(runs: Sequence[Run]) -> list[str]:
    """The sets: first those of the papers, in their order, then others as they come."""
    names = set_names(runs)
    return [n for n in USUAL_NAMES if n in names] + [n for n in names if n not in USUAL_NAMES]


def titles(runs: Sequence[Run]) -> list[str]:
    """The usual names of the columns, and that of the mean."""
    return [printable(USUAL_NAMES.get(name, name)) for name in columns(runs)] + ["mAP"]


def averaged(runs: Sequence[Run]) -> Sequence[str]:
    """The sets that the mean is over: the papers' eleven where a run has them, else all columns."""
    eleven = PROTOCOLS["eleven"]
    return eleven if set(eleven) <= set(set_names(runs)) else columns(runs)


def lines(runs: Sequence[Run]) -> list[Line]:
    """The lines of all runs."""
    return [line for run in runs for line in _lines(run, columns(runs), averaged(runs))]


def latex_text(runs: Sequence[Run]) -> str:
    """The table for LaTeX with booktabs."""
    compared = {run.label for run in runs if has_published(run.results)}
    body: list[list[str]] = []
    for line in lines(runs):
        first = line.kind == (PUBLISHED if line.run in compared else MEASURED)
        if body and first:
            body.append([latex.RULE])
        cells = map(latex.difference, line.values) if line.kind == DIFFERENCE else line.cells
        label = latex.escaped(line.run) if first else ""
        body.append([label, line.kind, *(latex.escaped_number(cell) for cell in cells)])
    head = ["Run", "AP", *map(latex.escaped, titles(runs))]
    caption = _caption(runs, latex.NOTE)
    return latex.table(head, body, caption=caption, label="comparison", text_columns=2)


def csv_text(runs: Sequence[Run]) -> str:
    """The table with the numbers as they are stored; differences in points."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", "row", *map(spreadsheet_safe, columns(runs)), "mean"])
    writer.writerows([spreadsheet_safe(line.run), line.kind, *line.values] for line in lines(runs))
    return text.getvalue()


def markdown_text(runs: Sequence[Run]) -> str:
    """The table for Markdown."""
    body = [[line.run, line.kind, *line.cells] for line in lines(runs)]
    return (
        markdown_table(["run", "AP", *titles(runs)], body) + f"\n{escaped(_caption(runs, NOTE))}\n"
    )


def _lines(run: Run, names: Sequence[str], mean_over: Sequence[str]) -> list[Line]:
    sets = run.results.sets
    ours = {name: one.ap for name, one in sets.items()}
    found = [_line(run, MEASURED, ours, names, mean_over)]
    if has_published(run.results):
        theirs = {n: one.published_ap for n, one in sets.items() if one.published_ap is not None}
        found.insert(0, _line(run, PUBLISHED, theirs, names, mean_over))
        pairs = zip(found[1].values, found[0].values, strict=True)
        gaps = tuple(difference(one, other) for one, other in pairs)
        found.append(Line(run=run.label, kind=DIFFERENCE, values=gaps))
    return found


def _line(
    run: Run, kind: str, ap: Mapping[str, float], names: Sequence[str], mean_over: Sequence[str]
) -> Line:
    mean = None
    if all(name in ap for name in mean_over):
        mean = sum(ap[name] for name in mean_over) / len(mean_over)
    return Line(run=run.label, kind=kind, values=(*(ap.get(name) for name in names), mean))


def _caption(runs: Sequence[Run], note: str) -> str:
    over = averaged(runs)
    which = "the eleven sets of the papers" if over == PROTOCOLS["eleven"] else "all sets shown"
    sources = [f"{run.label}: {source(run.results)}" for run in runs if has_published(run.results)]
    said = f"Average precision in percent; mAP: plain mean over {which}."
    return f"{said} Published: {' | '.join(sources)}. {note}." if sources else said
