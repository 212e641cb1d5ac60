"""The figures of the papers, drawn of the runs of a table: printed values beside measured ones."""

from collections.abc import Sequence

from jaxdet.experiments.beside import Pair, pairs_of
from jaxdet.experiments.table import PaperFigure, Row, Table
from jaxdet.report.figures.grouped import Bars, grouped_panel
from jaxdet.report.figures.panels import Panel, together
from jaxdet.report.figures.style import Drawing
from jaxdet.results import Results

_WIDTH, _HEIGHT = 960, 250  # pixels of a panel
_TINY = "tiny form, not to be compared"


def drawings_of(table: Table, measured: Sequence[tuple[Row, Results]]) -> list[Drawing]:
    """Returns the table's figures as far as runs of theirs are finished."""
    pairs = {row.name: list(pairs_of(row, results)) for row, results in measured}
    found = []
    for figure in table.figures:
        panels = list(filter(None, (_panel(figure, *one, pairs) for one in figure.panels)))
        if panels:
            tiny = f" ({_TINY})" if table.tiny else ""
            found.append(together(
                panels, name=figure.name, title=f"{figure.title}, measured and printed{tiny}",
                columns=1, width=_WIDTH, height=_HEIGHT,
            ))  # fmt: skip
    return found


def _panel(
    figure: PaperFigure, title: str, names: Sequence[str], pairs: dict[str, list[Pair]]
) -> Panel | None:
    """Returns a panel of the rows that are finished; None where none is."""
    rows = {
        name: {pair.column: pair for pair in pairs[name] if pair.metric == figure.metric}
        for name in names
        if name in pairs
    }
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    if not columns:
        return None
    bars = [
        Bars(
            label=name,
            measured=tuple(row[c].measured if c in row else None for c in columns),
            published=tuple(row[c].published if c in row else None for c in columns),
        )
        for name, row in rows.items()
    ]
    return grouped_panel(title, columns, bars, axis=f"{figure.metric}, %")
