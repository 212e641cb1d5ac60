"""Numbers the inputs that a mass of images is scored from: files, or rows of Parquet files.

Inputs are numbered in an order that depends on nothing but their names, so that a shard of them
is the same on every machine, and on the next start. Their digest is also over what the files are
now (`file_mark`): scores of files that were replaced are no scores of these inputs.
"""

import bisect
import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from jaxdet.data.names import is_hidden
from jaxdet.data.regular import file_mark
from jaxdet.errors import UserError
from jaxdet.predict.columns import ParquetRows, check_column, count_rows, named_files
from jaxdet.predict.files import Input, find_files, find_images
from jaxdet.workdir.identity import fingerprint_of

_PARQUET = ".parquet files, which --column asks for"

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


# A run of inputs that can be read elsewhere: small, and pickled without all the others.
Chunk = FileChunk | ColumnChunk


class ImageFiles:
    """Holds image files, each once, sorted by the bytes of their paths.

    Attributes:
      compare: how files are known again, "times" or "bytes".
      digest: 16 hex digits of the paths and marks.
      left_aside: what else lies in the folders.
    """

    def __init__(self, paths: Sequence[Path], *, compare: str = "times"):
        """Takes files and folders, in any order."""
        found, self.left_aside = find_images(paths)
        self._paths = sorted(set(map(str, found)), key=os.fsencode)
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
        found, self.left_aside = find_files(paths, is_wanted=_is_parquet, what=_PARQUET)
        self._column, self._paths = column, sorted(set(map(str, found)), key=os.fsencode)
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


# All inputs of a work, numbered from 0.
Inputs = ImageFiles | ParquetColumn


def find_inputs(paths: Sequence[Path], *, column: str | None, compare: str = "times") -> Inputs:
    """Finds the inputs below some paths: image files, or with a column the rows of Parquet files.

    Raises:
      UserError: where there are none, or they cannot be read.
    """
    if column is not None:
        return ParquetColumn(paths, column=column, compare=compare)
    tables = [path for path in paths if _is_parquet(path.name)]
    if tables:
        raise UserError(f"{tables[0]}: a Parquet file; name its column of images with --column")
    return ImageFiles(paths, compare=compare)


def _is_parquet(name: str) -> bool:
    return not is_hidden(name) and name.lower().endswith(".parquet")


def _marked(paths: Iterable[str], compare: str) -> Iterator[bytes]:
    return (os.fsencode(f"{path}\0{file_mark(path, compare)}\0") for path in paths)
