"""What every figure shares: its style, and SVG text that takes colours and font from the page.

Equal input gives equal bytes: no date, no random names. Colours go through CSS variables,
so that one figure reads on white, on black and on paper. The series' palette, in the page's
style sheet, is Okabe and Ito's, https://jfly.uni-koeln.de/color/.
"""

import contextlib
import io
import re
import warnings
from typing import Any

import matplotlib
from matplotlib.figure import Figure

# Matplotlib wants numbers for colours; these stand for what the page decides.
INK, RULE, PAPER = "#010203", "#010204", "#010205"
SERIES = tuple(f"#0102{i:02x}" for i in range(16, 23))
_CSS = {
    INK: "currentColor",
    RULE: "var(--rule)",
    PAPER: "var(--paper)",
    **{colour: f"var(--series-{i})" for i, colour in enumerate(SERIES)},
}
_PIXELS = 96  # CSS pixels an inch
_POINTS = 72  # SVG units an inch, as matplotlib writes them
_STYLE: dict[Any, Any] = {  # matplotlib's stubs know each key as a literal
    "svg.fonttype": "none",
    "text.parse_math": False,  # a set may be called $x$
    "font.size": 9,
    "font.family": "DejaVu Sans",  # comes with matplotlib; wider than what the page will use
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.use_mathtext": False,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "lines.markersize": 3.5,
}


def styled(name: str) -> contextlib.AbstractContextManager[None]:
    """The style to draw a figure in; `name` keeps its ids apart from another figure's."""
    return matplotlib.rc_context({**_STYLE, "svg.hashsalt": name})


def new_figure(width: int, height: int) -> Figure:
    """An empty figure with a transparent ground; both sides in pixels."""
    size = (width / _PIXELS, height / _PIXELS)
    return Figure(figsize=size, layout="constrained", facecolor="none")


def to_svg(figure: Figure, title: str) -> str:
    """The figure as an `<svg>` element for a page: no header, names or sizes of its own."""
    for axes in figure.axes:
        axes.patch.set_visible(False)
    text = io.StringIO()
    with warnings.catch_warnings():
        # The reader's browser brings the letters that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    width, height = (round(inches * _PIXELS) for inches in figure.get_size_inches())
    box = f'viewBox="0 0 {width * _POINTS / _PIXELS:g} {height * _POINTS / _PIXELS:g}"'
    opening = f'<svg {box} width="{width}" height="{height}" role="img" aria-label="{title}">'
    return re.sub(r"<svg\b[^>]*>", opening, _bare(text.getvalue()), count=1)


def _bare(svg: str) -> str:
    """The element alone, without metadata, in the colours of the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # These ids would occur once for every figure of the page, and nothing refers to them.
    svg = re.sub(r'<g id="[^"]*"(/?)>', r"<g\1>", svg).replace("<g/>", "")
    svg = svg.replace("xlink:href=", "href=")  # what SVG 2 calls it, without a namespace
    return re.sub(r"(fill|stroke): (#0102\w\w)", lambda m: f"{m[1]}: {_CSS[m[2]]}", svg)
