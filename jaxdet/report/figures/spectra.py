"""Draws average spectra as a sheet: of each set the real ones and beside them the fakes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from jaxdet.report.figures.bars import shortened
from jaxdet.report.figures.panels import Panel
from jaxdet.report.figures.style import Palette
from jaxdet.report.spectra import SpectrumPair
from jaxdet.streams import printable

_MOST_LETTERS = 18


def spectrum_panels(pairs: Sequence[SpectrumPair]) -> list[Panel]:
    """Returns two panels for each set, real and fake, on one scale."""
    return [
        _panel(pair, label, values)
        for pair in pairs
        for label, values in (("real", pair.real), ("fake", pair.fake))
    ]


def _panel(pair: SpectrumPair, label: str, values: np.ndarray | None) -> Panel:
    def draw(axes: Axes, palette: Palette) -> None:
        axes.set_axis_off()
        if values is None:
            axes.text(0.5, 0.5, f"no {label} images", ha="center", color=palette.ink)
        else:
            axes.imshow(
                values, cmap="cividis", vmin=pair.low, vmax=pair.high, interpolation="nearest"
            )

    return Panel(title=f"{shortened(printable(pair.set), _MOST_LETTERS)}, {label}", draw=draw)
