"""The tables of runs: for a terminal, in Markdown and as CSV."""

import csv
import io
import sys
from collections.abc import Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxdet.report.load import Run, printable
from jaxdet.report.rows import (
    FLOOR_MARK,
    MEAN,
    NONE,
    Row,
    has_published,
    header,
    interval,
    mean_line,
    percent,
    rows_of,
    set_names,
    shared_means,
    table,
)
from jaxdet.results import Results, SetResult

_COLUMNS = (
    "run", "set", "category", "ap", "ap_low", "ap_high", "accuracy", "accuracy_real",
    "accuracy_fake", "auc", "sharpness_ap", "n_real", "n_fake", "n_skipped", "published_ap",
)  # fmt: skip
FLOOR_NOTE = (
    "floor: AP of the images' sharpness alone; "
    f"{FLOOR_MARK} the detector is not shown to be better than that"
)


def print_table(results: Results, file: TextIO | None = None) -> None:
    """Prints a run's scores: a rich table on a terminal, aligned text elsewhere.

    Args:
      results: what to print.
      file: where to; None: standard output.
    """
    file = sys.stdout if file is None else file
    if file.isatty():
        console = Console(file=file)
        console.print(_rich_table(printable(results.name), header(results), _body(results)))
        console.print(Text("\n".join(_notes(results)), style="dim"))
        return
    text = _aligned([header(results), *_body(results)]) + "\n".join([*_notes(results), ""])
    # A log in an old encoding should lose a dash rather than end the run.
    encoding = file.encoding or "utf-8"
    file.write(text.encode(encoding, "replace").decode(encoding))


def csv_text(runs: Sequence[Run]) -> str:
    """One line a set and category of each run, with the numbers as they are stored."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for run in runs:
        writer.writerows(_raw(run.label, row) for row in rows_of(run.results))
    return text.getvalue()


def markdown_text(runs: Sequence[Run]) -> str:
    """The tables of the page in Markdown: side by side where there are several, then each run."""
    parts = [_side_by_side(runs)] if len(runs) > 1 else []
    parts += [
        f"## {_markdown(run.label)}\n\n" + _markdown_table(header(run.results), _body(run.results))
        for run in runs
    ]
    return "\n".join(parts)


def _body(results: Results) -> list[list[str]]:
    """The rows of a table as text, categories indented, the mean last."""
    lines = [
        [line[0] if row.category is None else f"  {line[0]}", *line[1:]]
        for row, line in table(results)
    ]
    return [*lines, mean_line(results)]


def _notes(results: Results) -> list[str]:
    """What stands below a table."""
    if not has_published(results):
        return [FLOOR_NOTE]
    return [FLOOR_NOTE, f"published: AP in {printable(str(results.weights.get('published')))}"]


def _rich_table(title: str, names: list[str], body: list[list[str]]) -> Table:
    drawn = Table(title=Text(title), box=None, collapse_padding=True, pad_edge=False)
    for name in names:
        first = name == names[0]
        drawn.add_column(
            name,
            justify="left" if first else "right",
            overflow="fold" if first else "ellipsis",
            no_wrap=not first,
            min_width=10 if first else cell_len(name),
        )
    for line in body:
        style = "dim" if line[0].startswith("  ") else "bold" if line[0] == MEAN else None
        # Text, since a set may be called [red].
        drawn.add_row(*map(Text, line), style=style)
    return drawn


def _aligned(lines: list[list[str]]) -> str:
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    return "".join(_aligned_line(line, widths) + "\n" for line in lines)


def _aligned_line(line: list[str], widths: list[int]) -> str:
    padding = [" " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)]
    numbers = [pad + cell for cell, pad in zip(line[1:], padding[1:], strict=True)]
    return "  ".join([line[0] + padding[0], *numbers]).rstrip()


def _raw(label: str, row: Row) -> list[object]:
    s = row.scores
    low, high = s.ap_ci95 or (None, None)
    return [
        label, printable(row.set), printable(row.category or ""), s.ap, low, high,
        s.accuracy, s.accuracy_real, s.accuracy_fake, s.auc,
        s.sharpness_ap, s.n_real, s.n_fake, row.skipped, row.published_ap,
    ]  # fmt: skip


def _side_by_side(runs: Sequence[Run]) -> str:
    body = [
        [printable(name), *(_ap_cell(run.results.sets.get(name)) for run in runs)]
        for name in set_names(runs)
    ]
    means = shared_means(runs)
    if means:
        body.append(["mean over shared sets", *map(percent, means)])
    return "## AP\n\n" + _markdown_table(["set", *(run.label for run in runs)], body)


def _ap_cell(one: SetResult | None) -> str:
    if one is None:
        return NONE
    return percent(one.ap) + (f" ({interval(one.ap_ci95)})" if one.ap_ci95 else "")


def _markdown_table(header: list[str], body: list[list[str]]) -> str:
    rule = ["---", *["---:"] * (len(header) - 1)]
    lines = [[_markdown(cell) for cell in header], rule]
    lines += [[_indented(line[0]), *map(_markdown, line[1:])] for line in body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _indented(name: str) -> str:
    """Markdown drops leading spaces; an em space stays."""
    return ("\N{EM SPACE}" if name.startswith("  ") else "") + _markdown(name.strip())


def _markdown(text: str) -> str:
    """The text with everything that Markdown or HTML would read as markup made plain."""
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{c}" if c in "\\`*_[]|~#" else c for c in text)
