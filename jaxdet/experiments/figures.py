"""Draws the figures of the papers of the runs of a table: printed values beside measured ones."""

from collections.abc import Mapping, Sequence

from jaxdet.experiments.beside import measured_elsewhere, pairs_of
from jaxdet.experiments.table import PaperFigure, Row, Table
from jaxdet.report.figures.grouped import Bars, grouped_panel
from jaxdet.report.figures.panels import Panel, together
from jaxdet.report.figures.style import Drawing
from jaxdet.results import Results

_WIDTH, _HEIGHT = 960, 250  # pixels of a panel
_TINY = "tiny form, not to be compared"


def drawings_of(table: Table, measured: Sequence[tuple[Row, Results]]) -> list[Drawing]:
    """Returns the table's figures as far as runs of theirs are finished."""
    runs = {row.name: (row, results) for row, results in measured}
    drawings = []
    for figure in table.figures:
        panels = list(filter(None, (_panel(figure, *one, runs) for one in figure.panels)))
        if panels:
            tiny = f" ({_TINY})" if table.tiny else ""
            drawings.append(
                together(
                    panels,
                    name=figure.name,
                    title=f"{figure.title}, measured and printed{tiny}",
                    columns=1,
                    width=_WIDTH,
                    height=_HEIGHT,
                )
            )
    return drawings


def _panel(
    figure: PaperFigure, title: str, names: Sequence[str], runs: Mapping[str, tuple[Row, Results]]
) -> Panel | None:
    """Returns a panel of the rows that are finished; None where none is.

    Sets that the paper does not print stand behind its columns.
    """
    there = [name for name in names if name in runs]
    pairs = {
        name: {p.column: p for p in pairs_of(*runs[name]) if p.metric == figure.metric}
        for name in there
    }
    more = {name: measured_elsewhere(*runs[name], figure.metric) for name in there}
    columns = list(dict.fromkeys(c for own in (pairs, more) for row in own.values() for c in row))
    if not columns:
        return None
    bars = [
        Bars(
            label=name,
            measured=tuple(
                pairs[name][c].measured if c in pairs[name] else more[name].get(c) for c in columns
            ),
            published=tuple(
                pairs[name][c].published if c in pairs[name] else None for c in columns
            ),
        )
        for name in there
    ]
    return grouped_panel(title, columns, bars, axis=f"{figure.metric}, %")
