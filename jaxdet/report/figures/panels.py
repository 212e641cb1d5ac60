"""Lays out small figures: each alone for a page that reflows, all on one sheet for a file."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from jaxdet.report.figures.style import CHANCE, DASHES, Drawing, Palette, new_figure

_ROW_OF_LEGEND = 16  # pixels


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """Describes one small figure.

    Attributes:
      title: above it.
      draw: fills the axes in a palette.
    """

    title: str
    draw: Callable[[Axes, Palette], None]


def alone(panel: Panel, *, name: str, width: int, height: int) -> Drawing:
    """Returns the panel as a figure of its own, this many pixels wide and high."""

    def draw(palette: Palette) -> Figure:
        figure = new_figure(width, height)
        axes = figure.subplots()
        axes.set_title(panel.title)
        panel.draw(axes, palette)
        return figure

    return Drawing(name=name, title=panel.title, draw=draw)


def together(
    panels: Sequence[Panel],
    *,
    name: str,
    title: str,
    columns: int,
    width: int,
    height: int,
    labels: Sequence[str] = (),
    dashed: bool = True,
) -> Drawing:
    """Returns a drawing of all panels on one sheet.

    Args:
      panels: row by row.
      name: of the drawing.
      title: of the drawing.
      columns: at most so many beside each other.
      width: of a panel, pixels.
      height: of a panel, pixels.
      labels: what the series are called; less than two need no legend.
      dashed: whether series differ in dash.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    keys = len(labels) if len(labels) > 1 else 0

    def draw(palette: Palette) -> Figure:
        figure = new_figure(columns * width, rows * height + _ROW_OF_LEGEND * keys)
        places = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in places[len(panels) :]:
            axes.set_visible(False)
        for axes, panel in zip(places, panels, strict=False):
            axes.set_title(panel.title)
            panel.draw(axes, palette)
        if keys:
            add_legend(figure, labels, palette, dashed=dashed)
        return figure

    return Drawing(name=name, title=title, draw=draw)


def draw_chance(axes: Axes, shares: Iterable[float | None], palette: Palette) -> None:
    """Draws a dotted line at the AP of chance, 0..1, of each composition of the set."""
    for share in sorted({round(share, 3) for share in shares if share is not None}):
        axes.axhline(100 * share, color=palette.ink, linestyle=CHANCE, linewidth=1)


def add_legend(figure: Figure, labels: Sequence[str], palette: Palette, *, dashed: bool) -> None:
    """Adds the names of the series, one below the other, under the figure."""
    keys = [_line(i, palette) if dashed else _patch(i, palette) for i in range(len(labels))]
    figure.legend(keys, list(labels), loc="outside lower left", handlelength=4.5)


def _line(number: int, palette: Palette) -> Artist:
    dash = DASHES[number % len(DASHES)]
    return Line2D([], [], color=palette.colour(number), linestyle=dash, linewidth=2.5)


def _patch(number: int, palette: Palette) -> Artist:
    return Patch(
        facecolor=palette.colour(number),
        edgecolor=palette.paper,
        linewidth=0,
        hatch=palette.hatch(number),
    )
