"""Prints the rows of a table for `--list`: their sources, their hours and their state."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from jaxdet.experiments.state import least_hours, state_of
from jaxdet.experiments.table import Row, Table
from jaxdet.streams import printable

_HEAD = ("row", "", "seed", "state", "GPU hours", "published")
# Before further published rows that print the same run.
_INDENT = "   = "


def listing(table: Table, workdir: Path, images_per_second: float | None) -> str:
    """Returns the text of the table's rows and how far they are.

    Args:
      table: with the rows as they would run.
      workdir: where its runs lie.
      images_per_second: training speed to reckon with; None: hours are not known.
    """
    cells = [
        (
            str(number),
            row.name,
            str(row.config.seed),
            state_of(row, workdir),
            _hours(row, images_per_second),
            "".join(row.published[:1]),
        )
        for number, row in enumerate(table.rows, start=1)
    ]
    lines = [table.title, f"source: {table.source}", *_notes(table), ""]
    widths = [max(map(len, column)) for column in zip(_HEAD, *cells, strict=True)]
    lines.append(_line(_HEAD, widths))
    for one, row in zip(cells, table.rows, strict=True):
        lines += [_line(one, widths), *(_INDENT + also for also in row.published[1:])]
    return "\n".join(map(printable, [*lines, *_unverified(table)]))


def _notes(table: Table) -> Iterator[str]:
    yield "hours: of training, for the fewest epochs that a row can have"
    if table.tiny:
        yield "tiny: shows that each row runs; its numbers cannot be compared with the paper's"


def _hours(row: Row, images_per_second: float | None) -> str:
    if images_per_second is None:
        return "not measured"
    hours = least_hours(row, images_per_second)
    return "unknown" if hours is None else f">= {hours:.1f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
    return "  ".join(padded).rstrip()


def _unverified(table: Table) -> Iterator[str]:
    """Yields each note once, with the places of its rows."""
    places: dict[str, list[str]] = {}
    for number, row in enumerate(table.rows, start=1):
        places.setdefault(row.unverified, []).append(str(number))
    for note, rows in places.items():
        if note:
            text = f"not verified, or otherwise here, in {', '.join(rows)}: {note}"
            yield ""
            yield from textwrap.wrap(text, 100, subsequent_indent="  ")
