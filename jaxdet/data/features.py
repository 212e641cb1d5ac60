"""Stores what a frozen tower sees of images: one row for each image of a set in a view.

A folder with `store.json`, written last, and `rows.bin`. Each row says which image it is of and has
a checksum of its own, so that what a killed start has written is known to the row.
"""

import contextlib
import dataclasses
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.data.batches import Batch
from jaxdet.errors import UserError, writing_to
from jaxdet.workdir.drafts import publish
from jaxdet.workdir.files import check_schema, open_regular, read_json, within, write_json
from jaxdet.workdir.identity import identity_of

_SCHEMA_VERSION = 1
_KIND = "jaxdet-features"
_MOST = 2**32  # values of a row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """Describes the rows of a store, and what they follow from.

    Attributes:
      rows: how many there are.
      shape: of what is seen of an image.
      dtype: "float32"; or "bfloat16", where the tower computes in it and no digit is lost.
      facts: all that the values follow from: images, view, tower and preprocessing.
    """

    rows: int
    shape: tuple[int, ...]
    dtype: str
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Returns the name of the store's folder: 16 hex digits over everything."""
        return identity_of(**self.to_json())

    @property
    def row(self) -> np.dtype[Any]:
        """Returns the type of a row: place of the image (-1: none could be read), checksum, values.

        bfloat16 lies there as the upper half of a float32.
        """
        values = "<u2" if self.dtype == "bfloat16" else "<f4"
        return np.dtype([("index", "<i8"), ("crc", "<u4"), ("seen", values, self.shape)])

    @property
    def size(self) -> int:
        """Returns the bytes of all rows."""
        return self.rows * self.row.itemsize

    def to_json(self) -> dict[str, Any]:
        """Returns what `store.json` holds."""
        plain = {**vars(self), "shape": list(self.shape), "facts": dict(self.facts)}
        return {"kind": _KIND, "schema_version": _SCHEMA_VERSION, **plain}

    def pack(self, index: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Returns rows of the places, i64 [n], and values, f32 [n, ...], of images."""
        rows = np.zeros(len(index), self.row)
        rows["index"] = index
        rows["seen"] = _halved(seen) if self.dtype == "bfloat16" else seen
        rows["crc"] = [_crc(row) for row in rows]
        return rows


def read_layout(path: Path) -> Layout:
    """Returns the layout that a store's `store.json` describes.

    Raises:
      UserError: where it is missing, damaged, or of a newer schema.
    """
    about = read_json(within(path, "store.json"))
    if not isinstance(about, dict) or about.get("kind") != _KIND:
        raise UserError(f"{path}: does not describe a store of features")
    check_schema(path, about.get("schema_version"), known=_SCHEMA_VERSION)
    facts: Any = about.get("facts")
    rows, shape, dtype = (about.get(key, 0) for key in ("rows", "shape", "dtype"))
    is_whole = (
        type(rows) is int
        and rows >= 0
        and dtype in ("float32", "bfloat16")
        and isinstance(shape, list)
        and all(type(n) is int and 0 < n < _MOST for n in shape)
        and isinstance(facts, dict)
    )
    if not is_whole:
        raise UserError(f"{path}: is not as it was written; remove it, and it is made again")
    return Layout(rows=rows, shape=tuple(shape), dtype=dtype, facts=facts)


class FeatureStore:
    """Holds the rows of a store, mapped; pickles as its path."""

    def __init__(self, path: Path):
        """Opens a store.

        Raises:
          UserError: where it is missing or damaged.
        """
        self.path, self.layout = path, read_layout(path)
        file = within(path, "rows.bin")
        is_whole = file.is_file() and file.stat().st_size == self.layout.size
        if not is_whole or self.layout.name != path.name:
            raise UserError(f"{file}: damaged; remove {path}, and it is made again")
        # A plain view: looking into a np.memmap makes a new one each time.
        self._rows = np.asarray(_mapped(file, self.layout.row))

    def __reduce__(self) -> tuple[Any, ...]:
        return FeatureStore, (self.path,)

    def __len__(self) -> int:
        return len(self._rows)

    def check(self) -> None:
        """Raises UserError where a row is not as it was written; reads all of them."""
        if _count_intact(self._rows) < len(self):
            raise UserError(f"{self.path}: damaged; remove it, and it is made again")

    def take(self, places: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the places of the rows' images, i64 [n], and what is seen, f32 [n, ...]."""
        rows = self._rows[np.asarray(places, np.int64)]
        seen = rows["seen"]
        return rows["index"], _doubled(seen) if seen.dtype == np.uint16 else seen

    def fill(self, batch: Batch, where: np.ndarray, places: np.ndarray) -> None:
        """Writes what is seen of some images into rows `where` of a batch, and whose it is."""
        index, batch["image"][where] = self.take(places)
        batch["index"][where] = np.where(index < 0, places, index)
        batch["valid"][where] = index >= 0
        batch["bad"][where] = np.where(index == places, -1, places)


class FeatureDraft:
    """Holds a store in the making, in a folder `NAME.partial` beside its place.

    Attributes:
      done: rows that are there and intact.
    """

    def __init__(self, path: Path, layout: Layout):
        """Takes up what an earlier start has written for the place of a store."""
        self._path, self._layout = path, layout
        self._partial = path.with_name(f"{path.name}.partial")
        self.done = 0
        with writing_to(path), contextlib.suppress(FileNotFoundError):
            file = self._rows
            rows = file.stat().st_size // layout.row.itemsize
            if rows:
                self.done = _count_intact(_mapped(file, layout.row)[: min(rows, layout.rows)])

    @property
    def _rows(self) -> Path:
        return within(self._partial, "rows.bin")

    @contextlib.contextmanager
    def appending(self, first: int) -> Iterator["FeatureDraft"]:
        """Opens the draft for `add`, to go on behind the first so many rows."""
        with writing_to(self._rows):
            self._partial.mkdir(parents=True, exist_ok=True)
            self._rows.touch()
            with open_regular(self._rows, "r+b") as file:
                file.truncate(first * self._layout.row.itemsize)
                file.seek(0, os.SEEK_END)
                self._file, self.done = file, first
                yield self
                file.flush()
                os.fsync(file.fileno())

    def add(self, index: np.ndarray, seen: np.ndarray) -> None:
        """Writes rows, of which a kill loses none once this returns."""
        self._file.write(self._layout.pack(index, seen).tobytes())
        self._file.flush()
        self.done += len(index)

    def become_store(self) -> None:
        """Gives the complete store its name."""
        with writing_to(self._path):
            write_json(within(self._partial, "store.json"), self._layout.to_json())
            publish(self._partial, self._path)


def _mapped(file: Path, row: np.dtype[Any]) -> np.ndarray:
    """Maps the whole rows of a file; an empty file, which cannot be mapped, gives none."""
    count = file.stat().st_size // row.itemsize
    return np.memmap(file, row, mode="r", shape=(count,)) if count else np.zeros(0, row)


def _count_intact(rows: np.ndarray) -> int:
    """Returns how many rows there are before the first whose checksum is not its own."""
    return next((n for n, row in enumerate(rows) if _crc(row) != row["crc"]), len(rows))


def _crc(row: np.void) -> int:
    return zlib.crc32(row["seen"].tobytes(), int(row["index"]) & 0xFFFFFFFF)


def _halved(values: np.ndarray) -> np.ndarray:
    """Returns the upper halves of float32 values that bfloat16 holds."""
    return (np.ascontiguousarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def _doubled(halves: np.ndarray) -> np.ndarray:
    """Returns the float32 values of such halves."""
    return (halves.astype(np.uint32) << 16).view(np.float32)
