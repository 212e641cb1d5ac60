"""Reads CSV, TSV and JSONL files as columns of plain values, every line checked."""

import csv
import io
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from jaxdet.data.regular import reason
from jaxdet.data.table.columns import NAMES, Reading, choose_columns
from jaxdet.errors import UserError, first_line
from jaxdet.workdir.files import open_regular

# Letters of one cell; prompts and links are shorter.
_LONGEST_CELL = 2**24


class TextRows(NamedTuple):
    """Holds the rows of a file.

    Attributes:
      values: of each role that the file has, one a row.
      lines: of each row.
      columns: name of each role's column.
    """

    values: dict[str, list[Any]]
    lines: list[int]
    columns: dict[str, str]


def read_text_table(path: Path, reading: Reading) -> TextRows:
    """Returns the values of each role that a file has.

    Args:
      path: of a file with one of `kind.TEXTS`.
      reading: what the user says of its columns.

    Raises:
      UserError: naming the file and line that cannot be read.
    """
    try:
        with open_regular(path) as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as file:
            if path.suffix.lower() in (".csv", ".tsv"):
                rows = _read_csv(file, path, reading)
            else:
                rows = _read_jsonl(file, path, reading)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 ({error.reason}); save it as UTF-8") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {reason(error)}") from None
    if not rows.lines:
        raise UserError(f"{path}: holds no rows")
    return rows


def column_names(path: Path) -> list[str]:
    """Returns the names of a file's columns by its first line; of JSON Lines those of the first.

    Raises:
      UserError: where it cannot be read.
    """
    try:
        with open_regular(path) as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as file:
            if path.suffix.lower() in (".csv", ".tsv"):
                head = file.readline(_LONGEST_CELL)
                return next(csv.reader([head], delimiter=_delimiter(path, head), strict=True), [])
            return list(next(_objects(file, path), (0, {}))[1])
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read: {first_line(error):.200}") from None


def _read_csv(file: TextIO, path: Path, reading: Reading) -> TextRows:
    csv.field_size_limit(_LONGEST_CELL)
    head = file.readline()
    if not head.strip():
        raise UserError(f"{path}: is empty" if not head else f"{path}: its first line is empty")
    file.seek(0)
    rows = csv.reader(file, delimiter=_delimiter(path, head), strict=True)
    try:
        names = next(rows)
        chosen = choose_columns(names, reading, place=str(path))
        places = {role: names.index(name) for role, name in chosen.items()}
        values: dict[str, list[Any]] = {role: [] for role in places}
        lines = []
        for row in rows:
            if not row:
                continue
            if len(row) != len(names):
                raise UserError(
                    f"{path}: line {rows.line_num}: {len(row)} cells, but {len(names)} columns"
                )
            for role, place in places.items():
                values[role].append(row[place])
            lines.append(rows.line_num)
    except csv.Error as error:
        raise UserError(f"{path}: line {rows.line_num}: {error}") from None
    return TextRows(values, lines, chosen)


def _delimiter(path: Path, head: str) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    # Spreadsheets write semicolons where a comma is the decimal point.
    return next((mark for mark in (",", ";", "\t") if mark in head), ",")


def _read_jsonl(file: TextIO, path: Path, reading: Reading) -> TextRows:
    """Reads all lines before columns are chosen: any of them may bring a new one."""
    wanted = {name for groups in NAMES.values() for group in groups for name in group}
    columns: dict[str, list[Any]] = {}
    lines: list[int] = []
    names: dict[str, None] = {}
    for number, row in _objects(file, path):
        names |= dict.fromkeys(row)
        for name in _kept(row, wanted, reading.columns):
            column = columns.setdefault(name, [])
            column += [None] * (len(lines) - len(column))
            column.append(row[name])
        lines.append(number)
    for column in columns.values():
        column += [None] * (len(lines) - len(column))
    chosen = choose_columns(list(names), reading, place=str(path)) if lines else {}
    return TextRows({role: columns[name] for role, name in chosen.items()}, lines, chosen)


def _kept(row: Mapping[str, Any], wanted: set[str], given: Mapping[str, str]) -> Collection[str]:
    return [name for name in row if name.strip().lower() in wanted or name in given.values()]


def _objects(file: TextIO, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the number and the object of each line that is not blank."""
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: line {number}: not JSON: {error}"[:300]) from None
        if not isinstance(row, dict):
            raise UserError(f"{path}: line {number}: no object of columns, but {line.strip():.40}")
        yield number, row


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:60]!r} occurs twice")
    return row
