"""Average precision of each set as bars, one a run; the shape of Wang et al., figures 2 to 4."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxdet.pages import printable
from jaxdet.report.figures.panels import add_legend
from jaxdet.report.figures.style import Drawing, Palette, new_figure
from jaxdet.report.load import Run
from jaxdet.report.rows import percent, set_names
from jaxdet.results import SetResult

_ROW_OF_LEGEND = 16  # pixels


def ap_bars(runs: Sequence[Run], *, width: int, name: str = "", legend: bool = False) -> Drawing:
    """One bar a set and run: its AP, the 95 % interval, and the floor as a diamond.

    Args:
      runs: whose sets to draw.
      width: of the figure, pixels.
      name: of the drawing; "": one that tells widths apart.
      legend: whether the figure says which run is which; needless where the page does.
    """
    names = set_names(runs)
    keys = len(runs) if legend and len(runs) > 1 else 0
    height = 46 + len(names) * max(26, 13 * len(runs) + 8) + _ROW_OF_LEGEND * keys

    def draw(palette: Palette) -> Figure:
        figure = new_figure(width, height)
        axes = figure.subplots()
        for number in range(len(runs)):
            _draw_bars(axes, runs, names, number=number, palette=palette)
        _dress(axes, names, most=max(10, width // 24))
        if keys:
            add_legend(figure, [run.label for run in runs], palette, dashed=False)
        return figure

    return Drawing(name=name or f"ap {width}", title="Average precision of each set", draw=draw)


def _draw_bars(
    axes: Axes, runs: Sequence[Run], names: list[str], *, number: int, palette: Palette
) -> None:
    thickness = 0.72 / len(runs)
    offset = (number - (len(runs) - 1) / 2) * thickness
    sets = runs[number].results.sets
    there = [(place + offset, sets[name]) for place, name in enumerate(names) if name in sets]
    if not there:
        return
    places, scores = [place for place, _ in there], [one for _, one in there]
    values = [100 * one.ap for one in scores]
    axes.barh(places, values, 0.86 * thickness, color=palette.colour(number))
    axes.errorbar(values, places, xerr=_whiskers(scores), fmt="none", color=palette.ink,
                  elinewidth=1, capsize=2)  # fmt: skip
    floors = [100 * one.sharpness_ap for one in scores]
    axes.plot(floors, places, "D", color=palette.ink, markerfacecolor=palette.paper, markersize=4)
    for place, one in there:
        right = 100 * max(one.ap, one.sharpness_ap, *(one.ap_ci95 or ()))
        axes.text(right + 1.5, place, percent(one.ap), va="center", fontsize=7.5)


def _whiskers(scores: list[SetResult]) -> np.ndarray:
    """Lengths below and above AP in percent, [2, N]; 0 where there is no interval."""
    ends = [(one.ap, one.ap_ci95 or (one.ap, one.ap)) for one in scores]
    # A percentile interval need not hold the value itself.
    lengths = [[max(0, ap - low), max(0, high - ap)] for ap, (low, high) in ends]
    return 100 * np.transpose(lengths)


def _dress(axes: Axes, names: list[str], *, most: int) -> None:
    axes.set_yticks(range(len(names)), [shortened(printable(name), most) for name in names])
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlim(0, 109)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("AP, %")
    axes.grid(axis="y", visible=False)
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)


def shortened(name: str, most: int) -> str:
    """The name's two ends where it is too long for a figure; the table has all of it."""
    if len(name) <= most:
        return name
    return name[: most // 2] + "\N{HORIZONTAL ELLIPSIS}" + name[-(most - most // 2 - 1) :]
