"""Draws the AP of each set as bars, one a run; the shape of Wang et al., figures 2 to 4.

A bar starts at chance, the share of fakes: its length is what the detector adds.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxdet.report.figures.panels import add_legend
from jaxdet.report.figures.style import CHANCE, Drawing, Palette, new_figure
from jaxdet.report.load import Run
from jaxdet.report.rows import ap_by_set, chance, percent, ranked_names
from jaxdet.results import SetResult
from jaxdet.streams import printable

_ROW_OF_LEGEND = 16  # pixels


def ap_bars(runs: Sequence[Run], *, width: int, name: str = "", legend: bool = False) -> Drawing:
    """Draws a bar a set and run: its AP, the 95 % interval, the sharpness baseline as a diamond.

    Args:
      runs: whose sets to draw.
      width: of the figure, pixels.
      name: of the drawing; "": one that tells widths apart.
      legend: whether the figure says which run is which; needless where the page does.
    """
    names = ranked_names(runs)
    keys = len(runs) if legend and len(runs) > 1 else 0
    height = 46 + len(names) * max(26, 13 * len(runs) + 8) + _ROW_OF_LEGEND * keys

    def draw(palette: Palette) -> Figure:
        figure = new_figure(width, height)
        axes = figure.subplots()
        for number in range(len(runs)):
            _draw_bars(axes, runs, names, number=number, palette=palette)
        _dress(axes, names, most=max(10, width // 24), low=_lowest(runs))
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
    ap = ap_by_set(runs[number].results)
    there = [(place + offset, name) for place, name in enumerate(names) if name in ap]
    if not there:
        return
    places, scores = [place for place, _ in there], [sets[name] for _, name in there]
    starts = np.array([100 * _start(one) for one in scores])
    values = np.array([100 * ap[name] for _, name in there])
    axes.barh(places, values - starts, 0.86 * thickness, starts, color=palette.colour(number),
              edgecolor=palette.paper, linewidth=0, hatch=palette.hatch(number))  # fmt: skip
    axes.vlines(
        starts,
        np.subtract(places, thickness / 2),
        np.add(places, thickness / 2),
        color=palette.ink,
        linestyle=CHANCE,
        linewidth=1,
    )
    axes.errorbar(values, places, xerr=_whiskers(scores, values), fmt="none", color=palette.ink,
                  elinewidth=1, capsize=2)  # fmt: skip
    floors = [100 * (one.sharpness_ap or 0) for one in scores]
    axes.plot(floors, places, "D", color=palette.ink, markerfacecolor=palette.paper, markersize=4)
    for place, name in there:
        # In a column: beside a diamond it would be taken for the baseline's.
        axes.annotate(
            percent(ap[name]),
            (100, place),
            (8, 0),
            fontsize=7.5,
            va="center",
            textcoords="offset points",
        )


def _start(one: SetResult) -> float:
    """Returns the chance level of a set; 0 without images."""
    return chance(one) or 0.0


def _drawn(one: SetResult) -> list[float]:
    """Returns every value of a set that has a place on the axis, 0..1."""
    values = (_start(one), one.ap, one.sharpness_ap, *(one.ap_ci95 or ()))
    return [value for value in values if value is not None]


def _lowest(runs: Sequence[Run]) -> float:
    """Returns where the axis starts, percent: below chance and all else that is drawn."""
    ranked = [run.results.sets[name] for run in runs for name in ap_by_set(run.results)]
    drawn = [value for one in ranked for value in _drawn(one)]
    lowest = min(drawn, default=0.5)
    return max(0.0, 10 * np.floor(10 * lowest - 0.2))


def _whiskers(scores: list[SetResult], values: np.ndarray) -> np.ndarray:
    """Returns the lengths below and above AP, percent, [2, N]; 0 where there is no interval."""
    nothing = (np.nan, np.nan)
    low, high = 100 * np.transpose([one.ap_ci95 or nothing for one in scores])
    # A percentile interval need not hold the value itself.
    return np.nan_to_num(np.maximum(0, [values - low, high - values]))


def _dress(axes: Axes, names: list[str], *, most: int, low: float) -> None:
    axes.set_yticks(range(len(names)), [shortened(printable(name), most) for name in names])
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlim(low, 100 + 0.09 * (100 - low))
    every = 20 if low < 40 else 10
    axes.set_xticks(np.arange(every * np.ceil(low / every), 101, every))
    axes.set_xlabel("AP, %, from chance (dotted)")
    axes.grid(axis="y", visible=False)
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)


def shortened(name: str, most: int) -> str:
    """Shortens a name that is too long for a figure to its two ends; the table has all of it."""
    if len(name) <= most:
        return name
    return name[: most // 2] + "\N{HORIZONTAL ELLIPSIS}" + name[-(most - most // 2 - 1) :]
