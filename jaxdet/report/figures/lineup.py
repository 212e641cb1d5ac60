"""Draws line-ups on a sheet, one below the other."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from jaxdet.report.figures.bars import shortened
from jaxdet.report.figures.panels import Panel
from jaxdet.report.figures.style import Palette
from jaxdet.report.lineup import Sheet
from jaxdet.streams import printable

_MOST_LETTERS = 60


def lineup_panels(sheets: Sequence[Sheet], labels: Sequence[str]) -> list[Panel]:
    """Returns a panel a line-up, named after its set and, of several, its run."""
    return [_panel(sheet, labels) for sheet in sheets]


def _panel(sheet: Sheet, labels: Sequence[str]) -> Panel:
    def draw(axes: Axes, palette: Palette) -> None:
        del palette
        axes.set_axis_off()
        axes.imshow(sheet.picture)

    of_run = f", {labels[sheet.run]}" if len(labels) > 1 else ""
    return Panel(title=shortened(printable(f"{sheet.set}{of_run}"), _MOST_LETTERS), draw=draw)
