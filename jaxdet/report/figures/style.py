"""Gives every figure its style, and turns it into SVG, PDF or PNG.

A figure is drawn in a palette. That of the page stands for CSS variables, so that one SVG
reads on white, on black and on paper; that of files is for a light ground. Equal input gives
equal bytes: no date, no random names. The series' colours are Okabe and Ito's,
https://jfly.uni-koeln.de/color/, a grey for their yellow and black, and a brown.
"""

import contextlib
import dataclasses
import io
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib
from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True, kw_only=True)
class Palette:
    """Holds colours as matplotlib takes them.

    Attributes:
      ink: text and whiskers.
      rule: axes and grids.
      paper: the ground.
      series: one for each run or line, from the first again where there are more.
    """

    ink: str
    rule: str
    paper: str
    series: tuple[str, ...]

    def colour(self, number: int) -> str:
        """Returns the colour of the series of this number."""
        return self.series[number % len(self.series)]

    def hatch(self, number: int) -> str | None:
        """Returns what tells a series from the others of its colour."""
        return HATCHES[number // len(self.series) % len(HATCHES)]


# Matplotlib wants numbers for colours; these stand for what the page decides.
PAGE = Palette(
    ink="#010203",
    rule="#010204",
    paper="#010205",
    series=tuple(f"#0102{i:02x}" for i in range(16, 24)),
)
LIGHT = Palette(
    ink="#1b1e23",
    rule="#dcdfe3",
    paper="#ffffff",
    series=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#4d4d4d", "#7f3b08"),
)
_CSS = {
    PAGE.ink: "currentColor",
    PAGE.rule: "var(--rule)",
    PAGE.paper: "var(--paper)",
    **{colour: f"var(--series-{i})" for i, colour in enumerate(PAGE.series)},
}
# Series differ in dash and marker as well, in print and for the colour-blind.
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)), (0, (9, 2, 3, 2)))
MARKERS = "os^Dv"
# Colours come again after the last one, then with another of these: of bars, and of their keys.
HATCHES = (None, "////", "....")
PRINTED = "//////"  # hatch of what a paper prints
CHANCE: Any = (0, (1, 1.5))  # dots, of what a guess would reach
_PIXELS = 96  # CSS pixels an inch
_POINTS = 72  # SVG units an inch, as matplotlib writes them
_STYLE: dict[Any, Any] = {  # matplotlib's stubs know each key as a literal
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # letters that can be searched and edited
    "savefig.dpi": 2 * _PIXELS,
    "text.parse_math": False,  # a set may be called $x$
    "font.size": 9,
    "font.family": "DejaVu Sans",  # comes with matplotlib; wider than what the page will use
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.use_mathtext": False,
    "grid.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.8,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawing:
    """Describes a figure that is not drawn yet.

    Attributes:
      name: of its files; keeps its ids apart from another figure's.
      title: for who cannot see it.
      draw: gives the figure in a palette.
    """

    name: str
    title: str
    draw: Callable[[Palette], Figure]


def new_figure(width: int, height: int) -> Figure:
    """Returns an empty figure with a transparent background; both sides in pixels."""
    size = (width / _PIXELS, height / _PIXELS)
    return Figure(figsize=size, layout="constrained", facecolor="none")


def to_svg(drawing: Drawing) -> str:
    """Returns the figure as an `<svg>` element for a page, its sides in pixels.

    It has no header, no metadata and no ids of groups.
    """
    with drawn(drawing, PAGE) as figure:
        for axes in figure.axes:
            axes.patch.set_visible(False)
        text = _saved(figure, "svg", Date=None, Creator=None).decode()
        width, height = (round(inches * _PIXELS) for inches in figure.get_size_inches())
    box = f'viewBox="0 0 {width * _POINTS / _PIXELS:g} {height * _POINTS / _PIXELS:g}"'
    label = drawing.title.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    opening = f'<svg {box} width="{width}" height="{height}" role="img" aria-label="{label}">'
    # A function, since a name may hold what looks like a reference to a group.
    return re.sub(r"<svg\b[^>]*>", lambda _: opening, _bare(text), count=1)


def to_files(drawing: Drawing) -> dict[str, bytes]:
    """Returns the figure by suffix: pdf, in vectors, and png, on white, at twice a page's size."""
    with drawn(drawing, LIGHT) as figure:
        pdf = _saved(figure, "pdf", CreationDate=None, Producer=None, Creator=None)
        figure.set_facecolor(LIGHT.paper)
        return {"pdf": pdf, "png": _saved(figure, "png", Software=None)}


@contextlib.contextmanager
def drawn(drawing: Drawing, palette: Palette = LIGHT) -> Iterator[Figure]:
    """Gives the figure, and keeps matplotlib in our style for as long as it is needed."""
    colours: dict[Any, str] = {
        "text.color": palette.ink,
        "axes.edgecolor": palette.rule,
        "axes.labelcolor": palette.ink,
        "xtick.color": palette.rule,
        "ytick.color": palette.rule,
        "xtick.labelcolor": palette.ink,
        "ytick.labelcolor": palette.ink,
        "grid.color": palette.rule,
    }
    style = {**_STYLE, **colours, "svg.hashsalt": drawing.name}
    with matplotlib.rc_context(style), warnings.catch_warnings():
        # The reader's browser brings the letters that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = drawing.draw(palette)
        # Laid out once: every way of saving would do it again, twice, and it is most of the work.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        yield figure


def _saved(figure: Figure, kind: str, **metadata: None) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format=kind, metadata=metadata)
    return content.getvalue()


def _bare(svg: str) -> str:
    """Returns the element alone, without metadata, in the colours of the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # These ids would occur once for every figure of the page, and nothing refers to them.
    svg = re.sub(r'<g id="[^"]*"(/?)>', r"<g\1>", svg).replace("<g/>", "")
    svg = svg.replace("xlink:href=", "href=")  # what SVG 2 calls it, without a namespace
    # The ground of a hatch is an attribute, which knows no variables.
    svg = re.sub(r'(fill|stroke)="(#0102\w\w)"', r'style="\1: \2"', svg)
    return re.sub(r"(fill|stroke): (#0102\w\w)", lambda m: f"{m[1]}: {_CSS[m[2]]}", svg)
