"""Opens a packed store as image sets at once, its pages shared between workers."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from jaxdet.data.images import LABEL_FOLDERS, ImageSet, stem_of
from jaxdet.data.joined import held_against
from jaxdet.data.ops import decode_bgr
from jaxdet.data.ops.sides import check_sides
from jaxdet.data.path_table import PathTable
from jaxdet.data.regular import reason
from jaxdet.data.store.arrays import check_index, mapped, read_column, read_index
from jaxdet.data.store.layout import (
    COLUMNS,
    DamagedStoreError,
    StorePaths,
    read_about,
)
from jaxdet.streams import printable
from jaxdet.workdir.files import check_regular, sha256


class Store:
    """Holds the index of a store and its bytes.

    Pickles as its path: a worker maps the same pages.
    """

    def __init__(self, path: Path):
        """Opens it and checks its index.

        Raises:
          DamagedStoreError: where a file is missing, cut short or altered.
          UserError: where it is of another kind or schema.
        """
        self.path = path
        paths = StorePaths(path)
        self.about: dict[str, Any] = read_about(paths)
        self.folders: list[str] = self.about["folders"]
        columns = {name: paths.column(name) for name in COLUMNS}
        columns = {n: path for n, path in columns.items() if path.name in self.about["sha256"]}
        for file in (paths.index, paths.names, *columns.values()):
            if not file.is_file() or sha256(file) != self.about["sha256"].get(file.name):
                raise DamagedStoreError(f"{file}: missing or damaged; pack the store again")
        self._check_shards(paths)
        self.index = read_index(paths.index)
        self._names = mapped(paths.names)
        check_index(paths, self.index, self.about, names=self._names)
        self.columns = {n: read_column(path, len(self.index)) for n, path in columns.items()}
        self._check_generators(paths)
        self._shards = [mapped(paths.shard(n)) for n in range(len(self.about["shards"]))]

    def __reduce__(self) -> tuple[Any, ...]:
        return Store, (self.path,)

    def _check_shards(self, paths: StorePaths) -> None:
        for number, size in enumerate(self.about["shards"]):
            shard = paths.shard(number)
            try:
                found = check_regular(shard)
            except FileNotFoundError:
                raise DamagedStoreError(f"{shard}: no such file; the store is not whole") from None
            except (OSError, ValueError) as error:
                raise DamagedStoreError(f"{shard}: {reason(error)}") from None
            if found != size:
                raise DamagedStoreError(
                    f"{shard}: {found} bytes instead of {size}; pack the store again"
                )

    def _check_generators(self, paths: StorePaths) -> None:
        code, count = self.columns.get("generators"), len(self.about.get("generators", []))
        if code is not None and not ((code >= 0) & (code < count)).all():
            path = paths.column("generators")
            raise DamagedStoreError(f"{path}: not the generators of this store")

    @property
    def left_aside(self) -> str:
        """Returns a line about the files that were left aside when it was packed, "" for none."""
        sentence = printable(self.about.get("left_aside", ""))
        return f"when it was packed: {sentence}" if sentence else ""

    @property
    def losses(self) -> list[tuple[str, str]]:
        """Returns the folders of images that were not packed, each with the reason."""
        return [(path, printable(detail)) for path, detail in self.about.get("losses", [])]

    def name(self, record: int) -> str:
        """Returns the name of the file that was packed as a record."""
        one = self.index[record]
        first = int(one["name"])
        text = self._names[first : first + int(one["name_size"])].tobytes()
        return text.decode("utf8", "surrogateescape")

    def path_of(self, record: int) -> str:
        """Returns the path that was packed, such as `train/cat/0_real/000.png`."""
        return f"{self.folders[int(self.index['folder'][record])]}/{self.name(record)}"

    def content(self, record: int) -> np.ndarray:
        """Returns the bytes of an image, u8 [size], read-only and not yet in memory."""
        one = self.index[record]
        first = int(one["offset"])
        return self._shards[int(one["shard"])][first : first + int(one["size"])]

    def read(self, record: int, *, max_pixels: int, least_side: int = 0) -> np.ndarray:
        """Returns the pixels u8 [H, W, 3] in BGR; see ImageSet."""
        one, content = self.index[record], self.content(record)
        if not one["raw"]:
            return decode_bgr(content.tobytes(), max_pixels=max_pixels, least_side=least_side)
        height, width = int(one["height"]), int(one["width"])
        check_sides(width, height, max_pixels=max_pixels)
        return content.reshape(height, width, 3)


class StoreSet(ImageSet):
    """Holds some images of a store, in the order of the folder source."""

    def __init__(self, store: Store, prefix: str, records: np.ndarray, *, name: str):
        """Takes records i64 [N] that lie below the folder `prefix`."""
        self.store, self.prefix, self.records, self.name = store, prefix, records, name

    @property
    def ids(self) -> "StoredIds":
        """Returns the path of each image below the set; see ImageSet."""
        return StoredIds(self.store, self.prefix, self.records)

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """Returns the labels, i32 [N], 1 = fake."""
        of_folder = [LABEL_FOLDERS.index(f.rsplit("/", 1)[1]) for f in self.store.folders]
        return np.array(of_folder, np.int32)[self.store.index["folder"][self.records]]

    def read(self, index: int, *, max_pixels: int, least_side: int = 0) -> np.ndarray:
        """Returns the pixels, a view into the store for a raw image; see ImageSet."""
        record = int(self.records[index])
        return self.store.read(record, max_pixels=max_pixels, least_side=least_side)

    def content(self, index: int, *, max_pixels: int) -> bytes:
        """Returns the record; see ImageSet."""
        del max_pixels  # its size is bounded by the shard
        return self.store.content(int(self.records[index])).tobytes()

    def size(self, index: int) -> tuple[int, int] | None:
        """Returns width and height from the store's index; see ImageSet."""
        one = self.store.index[int(self.records[index])]
        return (int(one["width"]), int(one["height"])) if one["width"] else None

    def marks(self) -> np.ndarray:
        """Returns size and checksum as one; see ImageSet."""
        rows = self.store.index[self.records]
        second = (rows["size"].astype(np.uint64) << np.uint64(32)) ^ rows["crc"].astype(np.uint64)
        return np.stack([np.zeros_like(second), second], axis=1)

    def content_marks(self) -> bytes:
        """Returns the size and the checksum of each image, from the store's index."""
        rows = self.store.index[self.records]
        return bytes(rows["size"].tobytes() + rows["crc"].tobytes())

    @property
    def numbering(self) -> str:
        """Returns a digest of the images where names have the numbers of rows; see ImageSet."""
        return self.content_fingerprint if "numbered" in self.store.columns else ""

    def stems(self) -> list[str]:
        """Returns category and name of each file, without a row's number; see ImageSet."""
        numbered = self.store.columns.get("numbered")
        if numbered is None:
            return super().stems()
        flags = numbered[self.records].tolist()
        return [stem_of(one, numbered=bool(n)) for one, n in zip(self.ids, flags, strict=True)]

    def group_names(self) -> list[str]:
        """Returns the number of each image's group in place of its name; see ImageSet."""
        groups = self.store.columns.get("groups")
        if groups is None:
            return super().group_names()
        return [str(one) if one >= 0 else "" for one in groups[self.records].tolist()]

    def generator_names(self) -> list[str]:
        """Returns the generator of each image; see ImageSet."""
        code = self.store.columns.get("generators")
        if code is None:
            return super().generator_names()
        words: list[str] = self.store.about["generators"]
        return [words[one] for one in code[self.records].tolist()]

    def where(self, index: int) -> str:
        """Returns the store's path and the path of the image that was packed."""
        return f"{self.place}/{self.ids[index]}"

    @property
    def place(self) -> str:
        """Returns the store's path and the folder that was packed."""
        return f"{self.store.path}:{self.prefix}"

    def take(self, indices: Sequence[int] | np.ndarray, *, name: str = "") -> "StoreSet":
        """Returns the images at the given places, in their order."""
        records = self.records[np.asarray(indices, np.int64)]
        return StoreSet(self.store, self.prefix, records, name=name or self.name)


class StoredIds(Sequence[str]):
    """Reads the ids of records from the store when asked for."""

    def __init__(self, store: Store, prefix: str, records: np.ndarray):
        """Takes records i64 [N] below the folder `prefix`."""
        self._store, self._cut, self._records = store, len(prefix) + 1, records

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._id(int(record)) for record in self._records[index]]
        return self._id(int(self._records[index]))

    def __iter__(self) -> Iterator[str]:
        return map(self._id, self._records.tolist())

    def _id(self, record: int) -> str:
        return self._store.path_of(record)[self._cut :]


class StoreRoot(PathTable):
    """Represents a store in the place of a folder of data; see `sources.Root`."""

    def __init__(self, path: Path):
        """Opens the store."""
        self._store, self.place = Store(path), str(path)
        self.shared = self._store.about.get("shared", {})
        super().__init__(self._store.folders)

    def left_aside(self, splits: Sequence[str]) -> str:
        """Returns what was left aside when the store was packed; see `sources.Root`."""
        return self._store.left_aside

    def load(self, folder: str, *, name: str, categories: Sequence[str] = ()) -> ImageSet:
        """Returns the images of a folder, of the named categories only where any are named.

        With the real images that its fakes are held against, where it shares some. A test set may
        have one label alone, as in the table that was packed.

        Raises:
          UserError: naming the category or label that is missing.
        """
        if folder in self.shared:
            return held_against(self.shared[folder], folder, name=name, load=self._all)
        if self.has_one_label(folder):
            return self._all(folder, name=name)
        return self._of(self.label_folders(folder, categories), folder, name=name)

    def _all(self, folder: str, *, name: str) -> StoreSet:
        return self._of(self._below(folder), folder, name=name)

    def _of(self, paths: Sequence[str], folder: str, *, name: str) -> StoreSet:
        chosen = [self._store.folders.index(path) for path in paths]
        records = np.flatnonzero(np.isin(self._store.index["folder"], chosen))
        return StoreSet(self._store, folder, records, name=name)
