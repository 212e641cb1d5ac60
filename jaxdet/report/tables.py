"""Writes the tables of runs for a terminal and as CSV."""

import csv
import io
import sys
from collections.abc import Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxdet.metrics import MEASURES
from jaxdet.pages import spreadsheet_safe
from jaxdet.report import benchmarks, measures, published
from jaxdet.report.begun import SCORED_HEAD, VALIDATION_HEAD, Unscored, validations
from jaxdet.report.chains import chain_tables
from jaxdet.report.load import Run
from jaxdet.report.rows import (
    MARK_NOTE,
    Row,
    has_metadata,
    header,
    interval,
    mean_ends,
    mean_line,
    percent,
    rows_of,
    table,
)
from jaxdet.report.weights import equalised_line, weights_line
from jaxdet.results import Results, Scores, SetResult
from jaxdet.streams import printable, show

_TWO_SHOT = ("accuracy", "accuracy_sd", "threshold", "threshold_sd", "pairs", "crops")
COLUMNS = (
    "run", "set", "category", "ap", "ap_low", "ap_high", "accuracy", "accuracy_real",
    "accuracy_fake", "auc", "sharpness_ap", "n_real", "n_fake", "n_skipped", "published_ap",
    *(f"{name}_{end}" for name in measures.FIELDS for end in ("low", "high")),
    *(f"{one.name}{end}" for one in MEASURES for end in ("", "_low", "_high")),
    "difference_points", *(f"two_shot_{name}" for name in _TWO_SHOT),
    "metadata_ap", "metadata_low", "metadata_high",
)  # fmt: skip
FLOOR_NOTE = f"floor: the sharpness baseline, AP of the images' sharpness alone; {MARK_NOTE}"
METADATA_NOTE = (
    "metadata: the metadata baseline, AP of container, size, quality and metadata alone; "
    f"{MARK_NOTE}"
)
_NAME_WIDTH = 10  # of sets, at least
_MORE = "The page has their generators at three thresholds, and what others report."


def print_table(results: Results, file: TextIO | None = None) -> None:
    """Prints a run's scores: a rich table on a terminal, aligned text elsewhere.

    Args:
      results: what to print.
      file: where to; None: standard output.
    """
    file = sys.stdout if file is None else file
    if not file.isatty():
        main = aligned([header(results), *body_of(results)])
        show(main + _further_text(results) + "\n".join(notes(results)), file)
        return
    console, head, body = Console(file=file), header(results), body_of(results)
    # What is narrower would cut numbers off.
    console.width = max(console.width, _least_width([head, *body]))
    with console.capture() as drawn:
        console.print(_rich_table(printable(results.name), head, body))
        # A line that is folded in the middle of a number is no table.
        text = _further_text(results)
        console.print(text, end="", markup=False, highlight=False, soft_wrap=True)
        console.print(Text("\n".join(notes(results)), style="dim"), end="")
    show(drawn.get(), file)


def _further_text(results: Results) -> str:
    """Returns the tables of benchmarks and chains between empty lines; "" without any."""
    lines = benchmarks.benchmark_lines(results)
    note = f"{benchmarks.NOTE} {_MORE}\n"
    found = [aligned([benchmarks.HEAD, *lines]) + note] if lines else []
    for one in chain_tables(results):
        found.append(f"{one.title}\n{aligned([one.head, *one.lines])}")
    return "".join(f"\n{text}" for text in found) + "\n" * bool(found)


def print_unscored(one: Unscored, file: TextIO | None = None) -> None:
    """Prints what there is of a run without results, and what is missing.

    Args:
      one: what to print.
      file: where to; None: standard output.
    """
    tables = [(SCORED_HEAD, one.scored), (VALIDATION_HEAD, validations(one.run))]
    parts = [aligned([head, *body]) for head, body in tables if body]
    show("\n".join([f"{printable(one.state)}\n", *parts]).rstrip("\n"), file)


def csv_text(runs: Sequence[Run]) -> str:
    """Returns CSV with a line for each set and category of each run; the numbers are as stored."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run in runs:
        for line in raw_lines(run):
            writer.writerow(spreadsheet_safe(c) if isinstance(c, str) else c for c in line)
    return text.getvalue()


def raw_lines(run: Run) -> list[list[object]]:
    """Returns the cells of each set and category in the order of `COLUMNS`, numbers as stored."""
    return [_raw(run.label, row) for row in rows_of(run.results)]


def body_of(results: Results) -> list[list[str]]:
    """Returns the rows of a table as text, categories indented, the means last."""
    lines = [
        [line[0] if row.category is None else f"  {line[0]}", *line[1:]]
        for row, line in table(results)
    ]
    return [*lines, mean_line(results), *protocol_lines(results)]


def protocol_lines(results: Results) -> list[list[str]]:
    """Returns the means over the papers' sets, where all of them are there."""
    names = header(results)
    found = []
    for protocol, ap, accuracy, missing in measures.protocol_means(results):
        ends = mean_ends(results, "ap", protocol)
        cells = {
            "set": f"mean of {protocol}",
            "AP": percent(ap),
            "95 %": "" if ends is None else interval(ends),
            "acc": percent(accuracy),
        }
        if not missing:
            found.append([cells.get(name, "") for name in names])
    return found


def notes(results: Results) -> list[str]:
    """Returns the lines that stand below a table."""
    lines = (weights_line(results.weights), equalised_line(results), FLOOR_NOTE)
    found = [line for line in lines if line]
    found += dict.fromkeys(one.note for one in chain_tables(results))
    found += [f"warning: {printable(warning)}" for warning in results.warnings]
    if has_metadata(results):
        found.append(METADATA_NOTE)
    grouped = [f"{printable(n)} {s.n_groups:,}" for n, s in results.sets.items() if s.n_groups]
    if grouped:
        found.append(f"95 %: groups of images are drawn, not images: {', '.join(grouped)} groups")
    if published.has_published(results):
        found.append(f"published: AP in {published.source(results)}")
        found.append(f"diff: ours less that; {published.NOTE}")
    return found


def _least_width(lines: Sequence[Sequence[str]]) -> int:
    """Returns the width at which a terminal's table holds every number whole, names folded."""
    numbers = [max(map(cell_len, column)) for column in list(zip(*lines, strict=True))[1:]]
    return _NAME_WIDTH + sum(1 + width for width in numbers)


def _rich_table(title: str, names: list[str], body: list[list[str]]) -> Table:
    drawn = Table(title=Text(title), box=None, collapse_padding=True, pad_edge=False)
    for name in names:
        first = name == names[0]
        drawn.add_column(
            name,
            justify="left" if first else "right",
            overflow="fold" if first else "ellipsis",
            no_wrap=not first,
            min_width=_NAME_WIDTH if first else cell_len(name),
        )
    for line in body:
        style = (
            "dim" if line[0].startswith("  ") else "bold" if line[0].startswith("mean") else None
        )
        # Text, since a set may be called [red].
        drawn.add_row(*map(Text, line), style=style)
    return drawn


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Returns a table as text, its first column to the left and the others to the right."""
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    return "".join(_aligned_line(line, widths) + "\n" for line in lines)


def _aligned_line(line: Sequence[str], widths: list[int]) -> str:
    padding = [" " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)]
    numbers = [pad + cell for cell, pad in zip(line[1:], padding[1:], strict=True)]
    return "  ".join([line[0] + padding[0], *numbers]).rstrip()


def _raw(label: str, row: Row) -> list[object]:
    s = row.scores
    low, high = s.ap_ci95 or (None, None)
    two_shot = s.two_shot if isinstance(s, SetResult) else None
    return [
        label, row.set, row.category or "", s.ap, low, high,
        s.accuracy, s.accuracy_real, s.accuracy_fake, s.auc,
        s.sharpness_ap, s.n_real, s.n_fake, row.skipped, row.published_ap,
        *(end for name in measures.FIELDS for end in _ends(s, name)),
        *(cell for m in MEASURES for cell in (s.measures.get(m.name), *_ends(s, m.name))),
        row.difference, *(getattr(two_shot, name, None) for name in _TWO_SHOT),
        *_metadata(s),
    ]  # fmt: skip


def _metadata(scores: Scores) -> list[float | None]:
    if not isinstance(scores, SetResult):
        return [None] * 3
    return [scores.metadata_ap, *(scores.metadata_ci95 or (None, None))]


def _ends(scores: Scores, name: str) -> tuple[float | None, float | None]:
    return scores.intervals.get(name, (None, None))
