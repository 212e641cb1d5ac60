"""Gives images of a table as an `ImageSet`: some of its rows, each read when it is asked for."""

import functools
import io
from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np

from jaxdet.data.images import LABEL_FOLDERS, ImageSet, Stored, stem_of
from jaxdet.data.ops import decode_bgr
from jaxdet.data.ops.opening import size_by_header
from jaxdet.data.order import Blocks
from jaxdet.data.regular import file_mark, read_image_file, stats_of
from jaxdet.data.table.groups import find_image
from jaxdet.data.table.placing import place_rows
from jaxdet.data.table.rows import WHOLE, Table


class TableSet(ImageSet):
    """Holds some rows of a table.

    Attributes:
      table: all of its rows.
      rows: i64 [N], those of the set.
    """

    def __init__(self, table: "PlacedTable", rows: np.ndarray, *, name: str):
        """Takes rows of a table in the set's order."""
        self.table, self.rows, self.name = table, rows, name

    @property
    def ids(self) -> "TableIds":
        """Returns the category, label, number and file's name of each row; see ImageSet."""
        return TableIds(self.table, self.rows)

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """Returns the labels, i32 [N], 1 = fake."""
        return self.table.rows.label[self.rows]

    def read(self, index: int, *, max_pixels: int, least_side: int = 0) -> np.ndarray:
        """Returns the decoded image; see ImageSet."""
        content = self.content(index, max_pixels=max_pixels)
        return decode_bgr(content, max_pixels=max_pixels, least_side=least_side)

    def content(self, index: int, *, max_pixels: int) -> bytes:
        """Returns the file, or the bytes in the table; see ImageSet."""
        return self.table.content(int(self.rows[index]), max_pixels=max_pixels)

    def size(self, index: int) -> tuple[int, int] | None:
        """Returns the size by the image's header; see ImageSet."""
        return self.table.size(int(self.rows[index]))

    def where(self, index: int) -> str:
        """Returns the file, with the row's number where it holds several."""
        return self.table.rows.where(int(self.rows[index]))

    @property
    def place(self) -> str:
        """Returns the table's path and the set."""
        return f"{self.table.rows.place}:{self.name}"

    def take(self, indices: Sequence[int] | np.ndarray, *, name: str = "") -> "TableSet":
        """Returns the images at the given places, in their order."""
        chosen = self.rows[np.asarray(indices, np.int64)]
        return TableSet(self.table, chosen, name=name or self.name)

    def stems(self) -> list[str]:
        """Returns category and name of each file, without the row's number; see ImageSet.

        Rows of a Parquet file have no name: "".
        """
        whole = (self.table.rows.row[self.rows] == WHOLE).tolist()
        named = zip(self.ids, whole, strict=True)
        return [stem_of(one, numbered=True) if own else "" for one, own in named]

    def group_names(self) -> list[str]:
        """Returns the group of each image; see ImageSet."""
        return self.table.rows.group.at(self.rows)

    def generator_names(self) -> list[str]:
        """Returns the generator of each image; see ImageSet."""
        return self.table.rows.generator.at(self.rows)

    def marks(self) -> np.ndarray:
        """Returns what tells files apart; zeros for rows of Parquet files; see ImageSet."""
        table = self.table.rows
        marks = np.zeros((len(self), 2), np.uint64)
        whole = np.flatnonzero(table.row[self.rows] == WHOLE)
        paths = [table.path(code) for code in table.file[self.rows[whole]]]
        marks[whole] = stats_of(paths).marks()
        return marks

    def content_marks(self) -> bytes:
        """Returns the bytes of each file, the rows in it, its row groups and the column."""
        table, codes = self.table.rows, self.table.rows.file[self.rows]
        used, place = np.unique(codes, return_inverse=True)
        sizes = stats_of([table.path(code) for code in used]).size
        groups = [
            table.groups[name] for code in used if (name := table.files[code]) in table.groups
        ]
        facts = (sizes[place].tobytes(), table.row[self.rows].tobytes(), table.image.encode())
        return b"".join([*facts, *(part.tobytes() for one in groups for part in one)])

    @property
    def numbering(self) -> str:
        """Returns a digest of the rows and their files: ids have numbers of rows; see ImageSet."""
        return self.content_fingerprint

    def file_marks(self, compare: str) -> str:
        """Returns the mark of each file, also of those beside a table; see ImageSet."""
        table = self.table.rows
        used = np.unique(table.file[self.rows])
        return " ".join(file_mark(path, compare) for code in used for path in table.paths(code))

    @functools.cached_property
    def stored(self) -> Stored | None:
        """Returns the row group of each image; None where one is a file of its own."""
        table = self.table.rows
        file, row = table.file[self.rows].astype(np.int64), table.row[self.rows]
        if not len(row) or (row == WHOLE).any():
            return None
        group = np.empty(len(row), np.int64)
        for code in np.unique(file):
            ends = table.groups[table.files[code]].ends
            group[file == code] = np.searchsorted(ends, row[file == code], side="right")
        return Stored(self.table, file, group, row)

    @functools.cached_property
    def blocks(self) -> Blocks | None:
        """Returns the row groups that the images lie in; None where they are files."""
        return self.table.blocks(self.rows, self.labels)


class PlacedTable:
    """Holds a table with where its rows stand, and reads their images. It pickles.

    Attributes:
      rows: the table.
      places: set and category of each row.
      heads: what ids begin with, of each category and label.
    """

    def __init__(self, rows: Table):
        """Takes a table.

        Raises:
          UserError: where a name in it cannot be that of a folder.
        """
        self.rows, self.places = rows, place_rows(rows)
        words = self.places.category.words
        self.heads = [f"{word}/{one}".lstrip("/") for word in words for one in LABEL_FOLDERS]

    def content(self, row: int, *, max_pixels: int) -> bytes:
        """Returns the file of an image, or its bytes in a Parquet file; see ImageSet."""
        image = find_image(self.rows, row)
        return image if isinstance(image, bytes) else read_image_file(image, max_pixels=max_pixels)

    def size(self, row: int) -> tuple[int, int] | None:
        """Returns width and height by an image's header; None where it cannot be read."""
        try:
            return size_by_header(io.BytesIO(self.content(row, max_pixels=2**28)))
        except (OSError, ValueError):
            return None

    def blocks(self, rows: np.ndarray, labels: np.ndarray) -> Blocks | None:
        """Returns the row groups of some rows; None where any is a file of its own."""
        table = self.rows
        if not len(rows) or (table.row[rows] == WHOLE).any():
            return None
        number, sizes, first = np.empty(len(rows), np.int64), [], 0
        for code in np.unique(table.file[rows]):
            own = np.flatnonzero(table.file[rows] == code)
            groups = table.groups[table.files[code]]
            number[own] = first + np.searchsorted(groups.ends, table.row[rows[own]], side="right")
            sizes.append(groups.bytes)
            first += len(groups.bytes)
        return Blocks(number=number, bytes=np.concatenate(sizes), label=labels)


class TableIds(Sequence[str]):
    """Gives the ids of rows, put together as they are asked for: there may be millions."""

    def __init__(self, table: PlacedTable, rows: np.ndarray):
        """Takes rows of the table."""
        self._table, self._rows = table, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return self._ids(self._rows[index])
        return self._ids(self._rows[[index]])[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids(self._rows))

    def _ids(self, rows: np.ndarray) -> list[str]:
        table, category = self._table.rows, self._table.places.category
        heads = self._table.heads
        head = (category.code[rows] * len(LABEL_FOLDERS) + table.label[rows]).tolist()
        # The number keeps apart what two folders call alike.
        return [
            f"{heads[h]}/{row:08}-{table.files[file].rpartition('/')[2]}"
            for row, h, file in zip(rows.tolist(), head, table.file[rows].tolist(), strict=True)
        ]
