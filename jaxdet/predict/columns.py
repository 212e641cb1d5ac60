"""Reads a column of images in a Parquet file: checked by its footer, read in runs of rows."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from jaxdet.data.table.cells import is_url
from jaxdet.data.table.parquet import (
    FAULTS,
    image_kind,
    is_image_struct,
    is_text,
    looking_at,
    opened,
)
from jaxdet.errors import RunFailedError, UserError, first_line
from jaxdet.predict.files import Encoded

# Rows in memory at a time: each may hold megabytes.
_ROWS = 16
_NAMES = 4096  # of files, at a time


@dataclasses.dataclass(frozen=True)
class ParquetRows:
    """Represents rows `start` to before `stop` of a file, counted from 0."""

    path: str
    column: str
    start: int
    stop: int

    def read(self) -> Iterator[tuple[int, Encoded]]:
        """Yields each row's number with its image, reading only the row groups that hold them.

        Raises:
          RunFailedError: where the file is damaged, or gone since it was looked at.
        """
        count = 0
        with _reading(self.path), opened(self.path) as file:
            for group, first in self._groups(file):
                for row in self._of_group(file, group, first):
                    yield row
                    count += 1
        if count != self.stop - self.start:
            raise RunFailedError(f"{self.path}: holds fewer rows than its footer says")

    def _groups(self, file: pq.ParquetFile) -> Iterator[tuple[int, int]]:
        """Yields the row groups with rows of ours, and the number of each one's first row."""
        first = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if first < self.stop and first + rows > self.start:
                yield group, first
            first += rows

    def _of_group(
        self, file: pq.ParquetFile, group: int, first: int
    ) -> Iterator[tuple[int, Encoded]]:
        for batch in file.iter_batches(_ROWS, row_groups=[group], columns=[self.column]):
            for value in batch.column(0):
                if self.start <= first < self.stop:
                    yield first, _image(value.as_py())
                first += 1
            if first >= self.stop:
                return


def count_rows(path: str) -> int:
    """Returns the number of rows of a file, by its footer.

    Raises:
      UserError: where it is no Parquet file, or cannot be read.
    """
    with looking_at(path) as file:
        return int(file.metadata.num_rows)


def check_column(path: str, name: str) -> None:
    """Sees that a file has a column that can hold images.

    Raises:
      UserError: where it has none of this name, or of another type.
    """
    with looking_at(path) as file:
        names = file.schema_arrow.names  # decoded here
        if names.count(name) != 1:
            raise UserError(f"{path}: has no column {name!r}, but {', '.join(names)[:200]}")
        image_kind(file, name, place=path)


def named_files(path: str, name: str) -> Iterator[str]:
    """Yields the paths in a column, row by row; none where every row has the bytes of its image.

    Raises:
      RunFailedError: where the file is damaged.
    """
    with _reading(path), opened(path) as file:
        kind = file.schema_arrow.field(name).type
        if is_text(kind):
            column = name
        elif is_image_struct(kind) and kind.get_field_index("path") >= 0 and _lacks(file, name):
            column = f"{name}.path"
        else:
            return
        for batch in file.iter_batches(_NAMES, columns=[column]):
            for value in batch.column(0):
                text = value.as_py()
                text = text["path"] if isinstance(text, dict) else text
                if text and not is_url(text):
                    yield text


def _lacks(file: pq.ParquetFile, name: str) -> bool:
    """Returns whether an image of a struct may have no bytes, by the statistics of the footer."""
    for group in range(file.num_row_groups):
        columns = map(file.metadata.row_group(group).column, range(file.metadata.num_columns))
        known = [one.statistics for one in columns if one.path_in_schema == f"{name}.bytes"]
        if not all(one is not None and one.has_null_count and one.null_count == 0 for one in known):
            return True
    return False


@contextlib.contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except FAULTS as error:
        raise RunFailedError(f"{path}: cannot be read: {first_line(error)}") from None


def _image(value: str | bytes | dict[str, str | bytes] | None) -> Encoded:
    if isinstance(value, dict):
        # No bytes at all are those of an empty file.
        value = value["bytes"] if value["bytes"] is not None else value.get("path")
    return Path(value) if isinstance(value, str) and not is_url(value) else value
