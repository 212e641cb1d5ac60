"""Enumerates the inputs that a mass of images is scored from: files, or rows of tables.

Inputs are numbered in an order that depends on nothing but their names, so that a shard of them
is the same on every machine, and on the next start. Their digest is also over what the files are
now (`file_mark`): scores of files that were replaced are no scores of these inputs.
"""

import bisect
import dataclasses
import functools
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from jaxdet.data.aside import LeftAside
from jaxdet.data.images import NoImageError
from jaxdet.data.names import is_hidden
from jaxdet.data.regular import file_mark
from jaxdet.data.table.columns import Reading
from jaxdet.data.table.groups import find_image
from jaxdet.data.table.load import read_table
from jaxdet.data.table.rows import Table
from jaxdet.predict.columns import ParquetRows, check_column, count_rows, named_files
from jaxdet.predict.files import Encoded, Input, find_files, find_images, find_tables
from jaxdet.workdir.identity import fingerprint_of

_PARQUET = ".parquet files, which --column asks for"
_ROWS = 1024  # of a table in a chunk

_LONGEST_NAME = 4096  # of a path, in Linux


@dataclasses.dataclass(frozen=True)
class FileChunk:
    """Holds image files that stand one after the other."""

    first: int
    paths: tuple[str, ...]

    def read(self) -> Iterator[Input]:
        """Yields names and paths; no file is opened."""
        return (Input(path, Path(path)) for path in self.paths)


@dataclasses.dataclass(frozen=True)
class ColumnChunk:
    """Holds rows of one Parquet file that stand one after the other."""

    first: int
    rows: ParquetRows

    def read(self) -> Iterator[Input]:
        """Yields images named by their path, or by file and row if the column holds their bytes."""
        for row, image in self.rows.read():
            text = str(image) if isinstance(image, Path | str) else ""
            # A URL may hold the image itself.
            name = text if 0 < len(text) < _LONGEST_NAME else f"{self.rows.path}#{row}"
            yield Input(name, image)


@dataclasses.dataclass(frozen=True)
class TableChunk:
    """Holds rows of a table that stand one after the other, with what each is called."""

    first: int
    names: tuple[str, ...]
    table: Table

    def read(self) -> Iterator[Input]:
        """Yields the file or the bytes of each row's image, or why it has none."""
        for row, name in enumerate(self.names):
            yield Input(name, _image(self.table, row))


def _image(table: Table, row: int) -> Encoded:
    try:
        return find_image(table, row)
    except NoImageError as error:
        return error


# A run of inputs that can be read elsewhere: small, and pickled without all the others.
Chunk = FileChunk | ColumnChunk | TableChunk


class ImageFiles:
    """Holds image files, each once, sorted by the bytes of their paths.

    Attributes:
      compare: how files are known again, "times" or "bytes".
      digest: 16 hex digits of the paths and marks.
      left_aside: what else lies in the folders.
    """

    def __init__(self, paths: Sequence[Path], *, compare: str = "times"):
        """Takes files and folders, in any order."""
        names, self.left_aside = find_images(paths)
        self._paths = sorted(set(map(str, names)), key=os.fsencode)
        self.compare = compare
        self.digest = fingerprint_of(_marked(self._paths, compare))

    def __len__(self) -> int:
        return len(self._paths)

    def chunks(self, start: int, stop: int) -> Iterator[Chunk]:
        """Yields the files from number `start` to before `stop`."""
        if start < stop:
            yield FileChunk(start, tuple(self._paths[start:stop]))


class ParquetColumn:
    """Holds the images of a column of Parquet files, sorted by the bytes of their paths.

    Attributes:
      compare: how files are known again, "times" or "bytes".
      digest: 16 hex digits of the column, of each table's path and mark, and of the same of the
        files that its rows name.
      left_aside: what else lies in the folders.
    """

    def __init__(self, paths: Sequence[Path], *, column: str, compare: str = "times"):
        """Reads the footer of every file.

        Args:
          paths: Parquet files, and folders of them.
          column: of bytes, of paths (relative ones from the working directory), or of structs of
            `bytes` and `path`, as Hugging Face's datasets have them.
          compare: as the attribute.

        Raises:
          UserError: where there are none, or one cannot be read or lacks the column.
        """
        names, self.left_aside = find_files(paths, is_wanted=_is_parquet, what=_PARQUET)
        self._column, self._paths = column, sorted(set(map(str, names)), key=os.fsencode)
        counts = [count_rows(path) for path in self._paths]
        for path in self._paths:
            check_column(path, column)
        self._ends = list(itertools.accumulate(counts))
        self.compare = compare
        named = (name for path in self._paths for name in named_files(path, column))
        marks = _marked(itertools.chain(self._paths, named), compare)
        self.digest = fingerprint_of(itertools.chain([os.fsencode(column) + b"\0"], marks))

    def __len__(self) -> int:
        return self._ends[-1]

    def chunks(self, start: int, stop: int) -> Iterator[Chunk]:
        """Yields the rows from number `start` to before `stop`, file by file."""
        while start < stop:
            place = bisect.bisect_right(self._ends, start)
            before = self._ends[place - 1] if place else 0
            end = min(stop, self._ends[place])
            rows = ParquetRows(self._paths[place], self._column, start - before, end - before)
            yield ColumnChunk(start, rows)
            start = end


class TableRows:
    """Holds the rows of tables, each in its order, one table after the other.

    Attributes:
      compare: how files are known again, "times" or "bytes".
      left_aside: nothing.
    """

    def __init__(self, paths: Sequence[Path], *, columns: str = "", compare: str = "times"):
        """Reads which images the tables name.

        Args:
          paths: of CSV, TSV, JSONL and Parquet files, and folders of Parquet files.
          columns: as the option `data.columns`; only images are looked for.
          compare: as the attribute.

        Raises:
          UserError: where one cannot be read, or it is not known where its images are.
        """
        said = Reading.of(columns=columns, labels="", layout="auto")
        reading = dataclasses.replace(said, roles=("image",))
        self._tables = [read_table(path, reading) for path in paths]
        self._ends = list(itertools.accumulate(map(len, self._tables)))
        self.compare, self.left_aside = compare, LeftAside()

    @functools.cached_property
    def digest(self) -> str:
        """Returns 16 hex digits of all rows, and of the path and mark of each file behind them."""
        return fingerprint_of(part for table in self._tables for part in self._facts(table))

    def _facts(self, table: Table) -> Iterator[bytes]:
        yield os.fsencode(f"{table.place}\0{table.image}\0")
        yield table.file.tobytes() + table.row.tobytes()
        paths = (path for code in range(len(table.files)) for path in table.paths(code))
        yield from _marked(paths, self.compare)

    def __len__(self) -> int:
        return self._ends[-1]

    def read(self) -> Iterator[Input]:
        """Yields all rows, each read when it is asked for."""
        return (one for chunk in self.chunks(0, len(self)) for one in chunk.read())

    def chunks(self, start: int, stop: int) -> Iterator[Chunk]:
        """Yields the rows from number `start` to before `stop`, table by table."""
        while start < stop:
            place = bisect.bisect_right(self._ends, start)
            before, table = self._ends[place - 1] if place else 0, self._tables[place]
            end = min(stop, self._ends[place], start + _ROWS)
            rows = np.arange(start - before, end - before)
            names = tuple(table.where(int(row)) for row in rows)
            yield TableChunk(start, names, table.take(rows))
            start = end


# All inputs of a work, numbered from 0.
Inputs = ImageFiles | ParquetColumn | TableRows


def find_inputs(
    paths: Sequence[Path], *, column: str | None, columns: str = "", compare: str = "times"
) -> Inputs:
    """Finds the inputs below some paths: image files, or the rows of tables.

    Args:
      paths: files and folders, in any order.
      column: of Parquet files, whatever else lies beside them; None: none is named.
      columns: see `TableRows`.
      compare: how files are known again, "times" or "bytes".

    Raises:
      UserError: where there are none, or they cannot be read.
    """
    if column is not None:
        return ParquetColumn(paths, column=column, compare=compare)
    tables = find_tables(paths, columns=columns)
    if tables:
        once = sorted(set(tables), key=os.fsencode)
        return TableRows(once, columns=columns, compare=compare)
    return ImageFiles(paths, compare=compare)


def _is_parquet(name: str) -> bool:
    return not is_hidden(name) and name.lower().endswith(".parquet")


def _marked(paths: Iterable[str], compare: str) -> Iterator[bytes]:
    return (os.fsencode(f"{path}\0{file_mark(path, compare)}\0") for path in paths)
