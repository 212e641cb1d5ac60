"""Draws precision over recall, a panel a set and a line a run; Wang et al., CVPR 2020, figure 8."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from jaxdet import metrics
from jaxdet.report.figures.bars import shortened
from jaxdet.report.figures.panels import Panel, draw_chance
from jaxdet.report.figures.style import DASHES, Palette
from jaxdet.report.load import Run, read_predictions
from jaxdet.report.rows import chance, percent, set_names
from jaxdet.streams import printable

_MOST_LETTERS = 22
# A curve of more steps is drawn with as many as this; the area under it stays the AP.
MOST_STEPS = 120


def precision_recall_panels(runs: Sequence[Run]) -> list[Panel]:
    """Returns a panel for each set of which any run has predictions of both classes.

    A dotted line stands at chance, which is the share of fakes.

    Raises:
      UserError: where predictions are damaged.
    """
    curves = {name: _curves(runs, name) for name in set_names(runs)}
    return [_panel(runs, name, lines) for name, lines in curves.items() if lines]


def thinned(recall: np.ndarray, precision: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Merges the steps of a curve into at most `MOST_STEPS`, with the same area.

    Args:
      recall: f64 [N], ends of the steps, rising to 1.
      precision: f64 [N], heights of the steps that end there.

    Returns:
      (ends, heights) of the wider steps, whose heights are means over what they hold.
    """
    widths = np.diff(recall, prepend=0.0)
    share = np.minimum((recall * MOST_STEPS - 1e-9).astype(int), MOST_STEPS - 1)
    starts = np.flatnonzero(np.diff(share, prepend=-1))
    ends = recall[np.append(starts[1:] - 1, recall.size - 1)]
    areas = np.add.reduceat(widths * precision, starts)
    return ends, areas / np.diff(ends, prepend=0.0)


def _curves(runs: Sequence[Run], name: str) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Returns the curves, by the numbers of the runs that have one."""
    read = {number: read_predictions(run, name) for number, run in enumerate(runs)}
    return {
        number: thinned(*metrics.precision_recall(one.label, one.logit))
        for number, one in read.items()
        if one is not None and 0 < one.label.mean() < 1
    }


def _panel(
    runs: Sequence[Run], name: str, lines: Mapping[int, tuple[np.ndarray, np.ndarray]]
) -> Panel:
    shares = {chance(runs[number].results.sets[name]) for number in lines}

    def draw(axes: Axes, palette: Palette) -> None:
        for number, (recall, precision) in lines.items():
            _draw_steps(axes, recall, precision, number, palette)
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 102)
        axes.set_xticks(range(0, 101, 50))
        axes.set_yticks(range(0, 101, 50))
        axes.set_xlabel("recall, %")
        axes.set_ylabel("precision, %")
        draw_chance(axes, shares, palette)
        axes.tick_params(length=0)
        if len(runs) == 1:
            ap = percent(runs[0].results.sets[name].ap)
            axes.text(4, 6, f"AP {ap}", fontsize=8)

    return Panel(title=shortened(printable(name), _MOST_LETTERS), draw=draw)


def _draw_steps(
    axes: Axes, recall: np.ndarray, precision: np.ndarray, number: int, palette: Palette
) -> None:
    x, y = np.append(0.0, recall), np.append(precision[0], precision)
    axes.plot(
        100 * x,
        100 * y,
        drawstyle="steps-pre",
        color=palette.colour(number),
        linestyle=DASHES[number % len(DASHES)],
        linewidth=1.2,
    )
