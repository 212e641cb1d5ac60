"""The figures: what a bar, a whisker and a line stand for.

Series differ in dash, marker or place as well as in colour.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from jaxdet.report.load import Run, printable
from jaxdet.report.rows import percent, set_names
from jaxdet.report.svg import INK, PAPER, SERIES, new_figure, styled, to_svg
from jaxdet.results import SetResult

_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)))
# How the curves of one colour are told apart, in print and by the colour-blind too.
_LINES: dict[str, dict[str, Any]] = {
    "train/loss": {"linewidth": 0.9},
    "val/loss": {"marker": "o"},
    "val/accuracy": {"marker": "s", "linestyle": "--"},
    "val/ap": {"marker": "o"},
    "lr": {},
}
_SHARES = ("val/accuracy", "val/ap")  # 0..1, drawn in percent
# A curve of more points is drawn as means of equal runs of them.
_MOST_POINTS = 300
_MOST_MARKERS = 25


def ap_bars(runs: Sequence[Run], *, width: int) -> str:
    """SVG of one bar a set and run: its AP, the 95 % interval, and the floor as a diamond.

    Args:
      runs: whose sets to draw.
      width: of the figure, pixels.
    """
    names = set_names(runs)
    thickness = 0.72 / len(runs)
    height = 46 + len(names) * max(26, 13 * len(runs) + 8)
    with styled(f"bars {width}"):
        figure = new_figure(width, height)
        axes = figure.subplots()
        for number, run in enumerate(runs):
            offset = (number - (len(runs) - 1) / 2) * thickness
            _draw_bars(axes, run, names, offset=offset, thickness=thickness, number=number)
        _dress_bars(axes, names, most=max(10, width // 24))
        return to_svg(figure, "Average precision of each set")


def curves(runs: Sequence[Run]) -> list[str]:
    """SVG panels: loss, accuracy and AP on validation, learning rate; those with data only."""
    panels = [
        ("Loss", ("train/loss", "val/loss"), "linear"),
        ("Validation accuracy and AP, %", ("val/accuracy", "val/ap"), "linear"),
        ("Learning rate", ("lr",), "log"),
    ]
    return [
        _panel(runs, title, names, scale)
        for title, names, scale in panels
        if any(name in run.curves for run in runs for name in names)
    ]


def _panel(runs: Sequence[Run], title: str, names: tuple[str, ...], scale: str) -> str:
    with styled(title):
        figure = new_figure(330, 250)
        axes = figure.subplots()
        for number, run in enumerate(runs):
            for place, name in enumerate(names):
                # One run: a colour a name. Several: a colour a run; lines differ by name.
                _draw_curve(axes, run, name, colour=number if len(runs) > 1 else place)
        _dress_panel(axes, title, scale)
        if len(names) > 1:
            _name_curves(axes, colour=INK if len(runs) > 1 else None)
        return to_svg(figure, title)


def _draw_bars(
    axes: Axes, run: Run, names: list[str], *, offset: float, thickness: float, number: int
) -> None:
    sets = run.results.sets
    there = [(place + offset, sets[name]) for place, name in enumerate(names) if name in sets]
    if not there:
        return
    places, scores = [place for place, _ in there], [one for _, one in there]
    values = [100 * one.ap for one in scores]
    axes.barh(places, values, 0.86 * thickness, color=SERIES[number % len(SERIES)])
    axes.errorbar(values, places, xerr=_whiskers(scores), fmt="none", color=INK, elinewidth=1,
                  capsize=2)  # fmt: skip
    floors = [100 * one.sharpness_ap for one in scores]
    axes.plot(floors, places, "D", color=INK, markerfacecolor=PAPER, markersize=4)
    for place, one in there:
        right = 100 * max(one.ap, one.sharpness_ap, *(one.ap_ci95 or ()))
        axes.text(right + 1.5, place, percent(one.ap), va="center", fontsize=7.5)


def _whiskers(scores: list[SetResult]) -> np.ndarray:
    """Lengths below and above AP in percent, [2, N]; 0 where there is no interval."""
    ends = [(one.ap, one.ap_ci95 or (one.ap, one.ap)) for one in scores]
    # A percentile interval need not hold the value itself.
    lengths = [[max(0, ap - low), max(0, high - ap)] for ap, (low, high) in ends]
    return 100 * np.transpose(lengths)


def _dress_bars(axes: Axes, names: list[str], *, most: int) -> None:
    axes.set_yticks(range(len(names)), [_short(printable(name), most) for name in names])
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlim(0, 109)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("AP, %")
    axes.grid(axis="y", visible=False)
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)


def _draw_curve(axes: Axes, run: Run, name: str, *, colour: int) -> None:
    points = run.curves.get(name)
    if not points:
        return
    steps, values = np.transpose(points)
    line = {"color": SERIES[colour % len(SERIES)], **_LINES[name]}
    if name == "lr":
        # Not thinned: a mean over a step down is no learning rate that the run had.
        axes.step(steps, values, where="post", linestyle=_DASHES[colour % len(_DASHES)], **line)
        return
    values = 100 * values if name in _SHARES else values
    steps, values = _thinned(steps), _thinned(values)
    every = -(-len(values) // _MOST_MARKERS)
    axes.plot(steps, values, label=name, markevery=every, **line)


def _thinned(values: np.ndarray) -> np.ndarray:
    """Means of equal runs of values, so that at most `_MOST_POINTS` remain."""
    size = -(-len(values) // _MOST_POINTS)
    starts = np.arange(0, len(values), size)
    return np.add.reduceat(values, starts) / np.diff([*starts, len(values)])


def _dress_panel(axes: Axes, title: str, scale: str) -> None:
    axes.set_title(title)
    axes.set_xlabel("step")
    axes.set_yscale(scale)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    if scale == "log":
        axes.yaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value:.0e}".replace("e-0", "e-"))
        )
        axes.yaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
        low, high = axes.get_ylim()
        axes.set_ylim(low / 2, high * 2)
    axes.tick_params(which="both", length=0)


def _name_curves(axes: Axes, *, colour: str | None) -> None:
    """A legend with each name once, in one colour where the curves' own tells runs apart."""
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(reversed(labels), reversed(handles), strict=True))
    names = sorted(once, key=labels.index)
    legend = axes.legend([once[name] for name in names], names, loc="best", handlelength=2.6)
    if colour is not None:
        for line in legend.get_lines():
            line.set_color(colour)


def _short(name: str, most: int) -> str:
    """The name's two ends where it is too long for a figure; the table has all of it."""
    if len(name) <= most:
        return name
    return name[: most // 2] + "\N{HORIZONTAL ELLIPSIS}" + name[-(most - most // 2 - 1) :]
