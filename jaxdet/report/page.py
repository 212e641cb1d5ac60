"""The page: everything that a run folder tells, in one file that opens from disk."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from jaxdet import __version__
from jaxdet.errors import UserError
from jaxdet.files import write_bytes
from jaxdet.report import figures, measures, rows
from jaxdet.report.compare import Comparison, compare
from jaxdet.report.load import Run, flatten, load_runs, options_of, printable
from jaxdet.report.markdown import markdown_text
from jaxdet.report.svg import SERIES
from jaxdet.report.tables import csv_text

_TEMPLATE = "page.html.j2"
_MARK = "Written by jaxdet"
# Widths of the bar chart on a screen and on a telephone, pixels.
_BARS_WIDE, _BARS_NARROW = 970, 360


def write_report(runs: Sequence[Path], out: Path) -> Path:
    """Writes `index.html`, `table.csv` and `table.md` into `out`; gives the page's path.

    Args:
      runs: run folders; several are put side by side.
      out: folder for the report, made where it is missing.

    Raises:
      UserError: where a run cannot be read or `out` cannot be written.
    """
    _check_place(out)
    loaded = load_runs(runs)
    if not loaded:
        raise UserError("no runs to report on")
    comparison = compare(loaded)
    files = {
        "table.csv": csv_text(loaded),
        "table.md": markdown_text(loaded, comparison),
        "index.html": page_html(loaded, comparison),
    }
    try:
        for name, text in files.items():
            write_bytes(out / name, text.encode("utf-8", "replace"))
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}") from None
    return out / "index.html"


def _check_place(out: Path) -> None:
    """A page of somebody else is never replaced."""
    page = out / "index.html"
    if page.is_file() and _MARK not in page.read_text(errors="replace"):
        raise UserError(f"{page}: is there already and no report; give another --out")


def page_html(runs: Sequence[Run], comparison: Comparison) -> str:
    """The page as text; equal runs give equal text."""
    # Names of runs, sets and images come from other people's folders: escape everything.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=rows.percent, interval=rows.interval, shown=shown)
    environment.filters.update(printable=printable, flatten=flatten)
    environment.filters.update(has_published=rows.has_published, published_mean=rows.published_mean)
    environment.filters.update(mean_ends=rows.mean_ends)
    environment.filters.update(spread=rows.spread, points=rows.difference)
    environment.filters.update(protocol_means=measures.protocol_means)
    environment.filters.update(measure_columns=measures.columns, measure_groups=measures.groups)
    environment.filters.update(measure_cell=measures.cell, measure_parts=measures.parts)
    environment.filters.update(calibration_line=measures.calibration_line)
    environment.globals.update(measure_definitions=measures.DEFINITIONS)
    environment.globals.update(protocol_titles=measures.PROTOCOL_TITLES)
    return environment.get_template(_TEMPLATE).render(**_context(runs, comparison)).strip() + "\n"


def shown(value: Any) -> str:
    """An option or a fact about the machine as a reader would write it."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value)) or "(none)"
    return printable(str(value)) or "(empty)"


def _context(runs: Sequence[Run], comparison: Comparison) -> dict[str, Any]:
    options = options_of(runs)
    bars = [figures.ap_bars(runs, width=width) for width in (_BARS_WIDE, _BARS_NARROW)]
    return {
        "comparison": comparison,
        "version": __version__,
        "runs": runs,
        "several": len(runs) > 1,
        "title": ", ".join(run.label for run in runs),
        "tables": [(run, rows.rows_of(run.results)) for run in runs],
        "measured": any(measures.columns(run.results) for run in runs),
        "mark": rows.FLOOR_MARK,
        "set_names": rows.set_names(runs),
        "shared_means": rows.shared_means(runs),
        "protocol_lines": measures.protocol_lines(runs),
        "colours": len(SERIES),
        # Made by matplotlib, which escapes every name in it.
        "bars_wide": Markup(bars[0]),
        "bars_narrow": Markup(bars[1]),
        "curves": [Markup(svg) for svg in figures.curves(runs)],
        "options": options if any(run.options for run in runs) else [],
        "commands": [(run.label, _command(run.env.get("command"))) for run in runs],
        "environments": [(run.label, _facts(run.env)) for run in runs],
    }


def _command(command: Any) -> str:
    if isinstance(command, list):
        return printable(shlex.join(map(str, command)))
    return printable(command) if isinstance(command, str) else ""


def _facts(env: dict[str, Any]) -> dict[str, Any]:
    return flatten({key: value for key, value in env.items() if key != "command"})
