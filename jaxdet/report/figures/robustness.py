"""Draws AP over the level of a disturbance or the steps of a chain, a panel a set, a line a run.

The shape of Wang et al., CVPR 2020, figure 5, with the images as they are for a level.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from jaxdet.report.conditions import UNTOUCHED, Kind, level_name, series
from jaxdet.report.conditions import levels as levels_of
from jaxdet.report.figures.bars import shortened
from jaxdet.report.figures.panels import Panel, draw_chance
from jaxdet.report.figures.style import DASHES, MARKERS, Palette
from jaxdet.report.load import Run
from jaxdet.report.rows import chance, percent, ranked_names, shared_names
from jaxdet.streams import printable

_ROOM = 0.19  # of the axis, between two numbers on it
_MOST_LETTERS = 22


def robustness_panels(runs: Sequence[Run], kind: Kind) -> list[Panel]:
    """Returns the mean over the sets that all runs scored, where there are any, then each set."""
    names = [*([None] if shared_names(runs) else []), *ranked_names(runs)]
    drawn = [ap for run in runs for name in names for _, ap in _points(runs, run, kind, name)]
    # All panels share their axis: the eye compares heights.
    low = 10 * np.floor(10 * min([0.5, *drawn]) - 0.2)
    return [_panel(runs, kind, name, low=low) for name in names]


def _panel(runs: Sequence[Run], kind: Kind, name: str | None, *, low: float) -> Panel:
    places = _places(runs, kind)
    shares = {_chance(run, [name] if name else shared_names(runs)) for run in runs}

    def draw(axes: Axes, palette: Palette) -> None:
        for number, run in enumerate(runs):
            points = _points(runs, run, kind, name)
            if points:
                placed = [(places[level], ap) for level, ap in points]
                _draw_line(axes, placed, number, palette, ends=len(runs) == 1)
        _dress(axes, kind, places, low=low)
        draw_chance(axes, shares, palette)

    title = "Mean over sets" if name is None else shortened(printable(name), _MOST_LETTERS)
    return Panel(title=title, draw=draw)


def _chance(run: Run, names: Sequence[str]) -> float | None:
    """Returns the mean of the sets' chance levels; None where the run lacks a set."""
    sets = run.results.sets
    values = [chance(sets[name]) if name in sets else None for name in names]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _points(
    runs: Sequence[Run], run: Run, kind: Kind, name: str | None
) -> list[tuple[float, float]]:
    """Returns (level, AP) of a run for the set `name`.

    Without a name, the AP is the mean over the sets that all runs scored.
    """
    return series(run.results, kind, name, over=shared_names(runs))


def _draw_line(
    axes: Axes, points: list[tuple[float, float]], number: int, palette: Palette, *, ends: bool
) -> None:
    levels, values = np.transpose(points)
    axes.plot(
        levels,
        100 * values,
        color=palette.colour(number),
        linestyle=DASHES[number % len(DASHES)],
        marker=MARKERS[number % len(MARKERS)],
        markersize=3,
        clip_on=False,
    )
    if ends:
        for level, value in {points[0], points[-1]}:
            above = (0, 5) if value < 0.9 else (0, -11)
            axes.annotate(
                percent(value),
                (level, 100 * value),
                above,
                fontsize=7.5,
                ha="center",
                textcoords="offset points",
            )


def _dress(axes: Axes, kind: Kind, places: Mapping[float, float], *, low: float) -> None:
    ticks = _ticks(places, kind)
    names = ["\n".join(level_name(kind, at).rsplit(" ", 1)) for at in ticks]
    axes.set_xticks([places[at] for at in ticks], names)
    axes.set_xlabel(kind.axis)
    axes.set_ylabel("AP, %")
    axes.margins(x=0.08)
    if kind.falling:
        axes.invert_xaxis()
    axes.set_ylim(low, 101)
    axes.set_yticks(np.arange(20 * np.ceil(low / 20), 101, 20))
    axes.tick_params(length=0)


def _ticks(places: Mapping[float, float], kind: Kind) -> list[float]:
    """Returns the levels to label: images as they are, the strongest, and those with space."""
    order = sorted(places, reverse=kind.falling)
    chosen = [kind.undisturbed, order[-1]]
    room = _ROOM * (max(places.values()) - min(places.values()))
    for level in order:
        if all(abs(places[level] - places[other]) >= room for other in chosen):
            chosen.append(level)
    return chosen


def _places(runs: Sequence[Run], kind: Kind) -> dict[float, float]:
    """Returns where each level stands on the axis.

    Images as they are, which have no JPEG quality, stand one step beyond.
    """
    levels = sorted({level for run in runs for level, _, _ in levels_of(run.results, kind)})
    places = {level: level for level in levels}
    if UNTOUCHED in places and len(levels) > 1:
        rest = levels[:-1]
        places[UNTOUCHED] = rest[-1] + max(4.0, (rest[-1] - rest[0]) / len(rest))
    return places
