"""Draws curves of training: loss, accuracy and AP on validation, learning rate."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from jaxdet.report.figures.panels import Panel
from jaxdet.report.figures.style import DASHES, Palette
from jaxdet.report.load import Begun

# How the curves of one colour are told apart, in print and by the colour-blind too.
_LINES: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        "train/loss": {"linewidth": 0.9},
        "val/loss": {"marker": "o"},
        "val/accuracy": {"marker": "s", "linestyle": "--"},
        "val/ap": {"marker": "o"},
        "lr": {},
    }
)
_AGAIN = DASHES[2]  # of runs whose colour an earlier one has
_SHARES = ("val/accuracy", "val/ap")  # 0..1, drawn in percent
# A curve of more points is drawn as means of equal runs of them.
_MOST_POINTS = 300
_MOST_MARKERS = 25


def training_panels(runs: Sequence[Begun]) -> list[Panel]:
    """Returns the panels that any of the runs has data for."""
    panels = [
        ("Loss", "cross-entropy, nats", ("train/loss", "val/loss"), "linear"),
        ("Validation accuracy and AP", "%", ("val/accuracy", "val/ap"), "linear"),
        ("Learning rate", "learning rate", ("lr",), "log"),
    ]
    return [
        _panel(runs, *panel)
        for panel in panels
        if any(name in run.curves for run in runs for name in panel[2])
    ]


def _panel(
    runs: Sequence[Begun], title: str, unit: str, names: tuple[str, ...], scale: str
) -> Panel:
    def draw(axes: Axes, palette: Palette) -> None:
        for number, run in enumerate(runs):
            for place, name in enumerate(names):
                # One run: a colour a name. Several: a colour a run; lines differ by name.
                _draw_curve(axes, run, name, number if len(runs) > 1 else place, palette)
        _dress(axes, scale)
        axes.set_ylabel(unit)
        if len(names) > 1:
            _name_curves(axes, colour=palette.ink if len(runs) > 1 else None)

    return Panel(title=title, draw=draw)


def _draw_curve(axes: Axes, run: Begun, name: str, number: int, palette: Palette) -> None:
    points = run.curves.get(name)
    if not points:
        return
    steps, values = np.transpose(points)
    line = {"color": palette.colour(number), **_LINES[name]}
    if name == "lr":
        line["linestyle"] = DASHES[number % len(DASHES)]
        # Not thinned: a mean over a step down is no learning rate that the run had.
        axes.step(steps, values, where="post", **line)
        return
    if palette.hatch(number):
        line["linestyle"] = _AGAIN
    values = 100 * values if name in _SHARES else values
    steps, values = _thinned(steps), _thinned(values)
    every = -(-len(values) // _MOST_MARKERS)
    axes.plot(steps, values, label=name, markevery=every, **line)


def _thinned(values: np.ndarray) -> np.ndarray:
    """Returns the means of equal runs of values, so that at most `_MOST_POINTS` remain."""
    size = -(-len(values) // _MOST_POINTS)
    starts = np.arange(0, len(values), size)
    return np.add.reduceat(values, starts) / np.diff([*starts, len(values)])


def _dress(axes: Axes, scale: str) -> None:
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
    """Adds a legend with each name once, in `colour` where the curves' own tell runs apart."""
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(reversed(labels), reversed(handles), strict=True))
    names = sorted(once, key=labels.index)
    legend = axes.legend([once[name] for name in names], names, loc="best", handlelength=2.6)
    if colour is not None:
        for line in legend.get_lines():
            line.set_color(colour)
