"""A table in the place of a folder of data: splits, sets and categories; images as asked for."""

import functools
import io
import os
from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np

from jaxdet.data.images import LABEL_FOLDERS, SPLITS, ImageSet, PathTable
from jaxdet.data.joined import JoinedSet
from jaxdet.data.ops import decode_bgr
from jaxdet.data.ops.opening import size_by_header
from jaxdet.data.order import Blocks
from jaxdet.data.regular import file_mark, read_image_file, stats_of
from jaxdet.data.table.groups import read_row
from jaxdet.data.table.rows import WHOLE, Table, place_rows, places_by
from jaxdet.data.words import split_of_word


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
        return str(self.table.rows.base / self.table.rows.reference(int(self.rows[index])))

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
        ids = (one.rsplit("/", 2) for one in self.ids)
        names = ((above, file.partition("-")[2]) for *above, _, file in ids)
        stems = ("/".join([*above, os.path.splitext(name)[0]]) for above, name in names)
        whole = (self.table.rows.row[self.rows] == WHOLE).tolist()
        return [stem if own else "" for stem, own in zip(stems, whole, strict=True)]

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
        marks[whole] = stats_of([table.path(code) for code in table.file[self.rows[whole]]]).marks()
        return marks

    def content_marks(self) -> bytes:
        """Returns the bytes of each file, the rows in it and the column that is read."""
        table, codes = self.table.rows, self.table.rows.file[self.rows]
        used, place = np.unique(codes, return_inverse=True)
        sizes = stats_of([table.path(code) for code in used]).size
        return sizes[place].tobytes() + table.row[self.rows].tobytes() + table.image.encode()

    def file_marks(self, compare: str) -> str:
        """Returns the mark of each file, also of those beside a table; see ImageSet."""
        table = self.table.rows
        used = np.unique(table.file[self.rows])
        return " ".join(file_mark(path, compare) for code in used for path in table.paths(code))

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
        table = self.rows
        name, number = table.files[table.file[row]], int(table.row[row])
        if not name:
            raise ValueError("no image in this row of the table")
        path = table.base / name
        if number == WHOLE:
            return read_image_file(path, max_pixels=max_pixels)
        groups = table.groups.get(name)
        if groups is None or number >= groups.ends[-1]:
            raise ValueError("the index names a row that is not there")
        return read_row(
            path, groups.ends, number, table.image, folder=path.parent, max_pixels=max_pixels
        )

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


class TableRoot(PathTable):
    """Represents a table, or a folder of another layout, as a data root; see `sources.Root`."""

    def __init__(self, table: Table, *, note: str = ""):
        """Takes a table, and what a run should say of it at its start.

        Raises:
          UserError: where a name in it cannot be that of a folder.
        """
        self._table, self._note, self.place = PlacedTable(table), note, table.place
        places = self._table.places
        key = places.set.code.astype(np.int64) * len(places.category.words) + places.category.code
        _, first, kind = np.unique(key * 2 + table.label, return_index=True, return_inverse=True)
        kinds = [(places.set[row], places.category[row], int(table.label[row])) for row in first]
        # What the table calls the split of each set: of several, each has real images of its own.
        self._split = {places.set[row]: split_of_word(table.split[row]) for row in first}
        # In the order of the plain layout.
        order = sorted(range(len(kinds)), key=lambda place: _sorted_by(*kinds[place]))
        self._kinds = [kinds[place] for place in order]
        place = np.argsort(order)[kind]
        ends = np.cumsum(np.bincount(place, minlength=len(kinds)))
        self._rows = np.split(np.argsort(place, kind="stable"), ends[:-1])
        self._sets = places_by(one for one, _, _ in self._kinds)
        tests = (one for one in self._sets if one.startswith("test/"))
        self._real = real = [one for one in tests if self._labels(one) == {0}]
        of_split = places_by(self._split[one] for one in real)
        self._beside = {split: [real[n] for n in own] for split, own in of_split.items()}
        super().__init__(
            "/".join(filter(None, (one, category, LABEL_FOLDERS[label])))
            for one, category, label in self._kinds
        )

    def categories(self, folder: str) -> list[str]:
        """Returns the sets or categories below; without the real images that others are held to."""
        found = super().categories(folder)
        if folder != "test":
            return found
        shared = {name for one in found for name in self._reals_of(f"test/{one}")}
        return [one for one in found if f"test/{one}" not in shared]

    def sets(self) -> list[ImageSet]:
        """Returns every set, named `train`, `val` and `test/<set>`.

        Raises:
          UserError: where one lacks a label.
        """
        names = [one for one in ("train", "val") if self.has(one)]
        if self.has("test"):
            names += [f"test/{one}" for one in self.categories("test")]
        for one in names:
            if not self._reals_of(one):
                self.label_folders(one, ())
        return [self.load(one, name=one) for one in names]

    def left_aside(self, splits: Sequence[str]) -> str:
        """Returns how the table was read, and what was left aside; see `sources.Root`."""
        del splits
        return self._note

    def load(self, folder: str, *, name: str, categories: Sequence[str] = ()) -> ImageSet:
        """Returns the images of a set, with the reals that its fakes are held against.

        A test set may have one label alone.

        Raises:
          UserError: naming the category or label that is missing.
        """
        reals = self._reals_of(folder)
        if reals:
            # The name that others know the shared set by; of another benchmark it is another.
            before = name.removesuffix(folder.removeprefix("test/"))
            parts = [self._set(one, name=before + one.removeprefix("test/")) for one in reals]
            parts.append(self._set(folder, name=f"{name} (fake)"))
            return JoinedSet(parts, name=name)
        if not folder.startswith("test/") or len(self._labels(folder)) != 1:
            self.label_folders(folder, categories)
        return self._set(folder, name=name, categories=categories)

    def _set(self, folder: str, *, name: str, categories: Sequence[str] = ()) -> TableSet:
        wanted = set(categories) - {""}
        places = self._sets.get(folder, ())
        chosen = [one for one in places if not wanted or self._kinds[one][1] in wanted]
        rows = [self._rows[one] for one in chosen]
        return TableSet(self._table, np.concatenate([np.empty(0, np.int64), *rows]), name=name)

    def _labels(self, folder: str) -> set[int]:
        return {self._kinds[place][2] for place in self._sets.get(folder, ())}

    def _reals_of(self, folder: str) -> list[str]:
        """Returns the sets of real images that a set of fakes alone is held against."""
        if not folder.startswith("test/") or self._labels(folder) != {1}:
            return []
        reals = self._beside.get(self._split[folder], self._real)
        rule = self._table.rows.reals
        wanted = rule.get(folder.removeprefix("test/"), rule.get(""))
        return [one for one in reals if wanted in (None, one.removeprefix("test/"))]


def _sorted_by(name: str, category: str, label: int) -> tuple[int, str, str, int]:
    return SPLITS.index(name.split("/")[0]), name, category, label
