"""Draws bars grouped by test set, as papers do: a printed one beside each measured one."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from jaxdet.report.figures.bars import shortened
from jaxdet.report.figures.panels import Panel
from jaxdet.report.figures.style import CHANCE, PRINTED, Palette
from jaxdet.streams import printable

_CHANCE = 50.0  # percent, where real and fake are equally many
_GROUP = 0.84  # of the distance between two groups
_LABEL = 28


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bars:
    """Holds what is drawn in one colour, a value a column; percent, None where there is none.

    Attributes:
      label: what the legend says.
      measured: filled bars.
      published: hatched bars.
    """

    label: str
    measured: tuple[float | None, ...]
    published: tuple[float | None, ...]


def grouped_panel(title: str, columns: Sequence[str], bars: Sequence[Bars], *, axis: str) -> Panel:
    """Returns a panel with a group a column: of each of the bars the measured and the printed.

    Args:
      title: above the panel.
      columns: what stands below the groups.
      bars: in the order of the legend.
      axis: label of the vertical axis.
    """
    values = [v for one in bars for v in (*one.measured, *one.published) if v is not None]
    low = max(0.0, 10 * np.floor(0.1 * min([_CHANCE, *values]) - 0.2))

    def draw(axes: Axes, palette: Palette) -> None:
        width = _GROUP / (2 * len(bars))
        for number, one in enumerate(bars):
            left = -_GROUP / 2 + 2 * number * width
            colour = palette.colour(number)
            for kind, offset in (("measured", 0.5), ("published", 1.5)):
                heights: tuple[float | None, ...] = getattr(one, kind)
                there = [(place, v) for place, v in enumerate(heights) if v is not None]
                axes.bar(
                    [place + left + offset * width for place, _ in there],
                    [v - low for _, v in there],
                    0.92 * width,
                    low,
                    edgecolor=colour,
                    color=colour if kind == "measured" else palette.paper,
                    linewidth=0.8,
                    hatch=None if kind == "measured" else PRINTED,
                )
        axes.axhline(_CHANCE, color=palette.ink, linestyle=CHANCE, linewidth=1)
        axes.set_xticks(
            range(len(columns)),
            [printable(name) for name in columns],
            rotation=30,
            ha="right",
            rotation_mode="anchor",
        )
        axes.set_xlim(-0.6, len(columns) - 0.4)
        axes.set_ylim(low, 101)
        axes.set_ylabel(axis)
        axes.grid(axis="x", visible=False)
        axes.tick_params(length=0)
        keys = [Patch(color=palette.colour(number)) for number in range(len(bars))]
        names = [shortened(printable(one.label), _LABEL) for one in bars]
        axes.legend(keys, names, loc="upper left", bbox_to_anchor=(1.0, 1.0))

    return Panel(title=title, draw=draw)
