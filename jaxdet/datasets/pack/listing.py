"""Lists what is packed: every image of a folder of data or a table, in the order of a run."""

import dataclasses
import functools
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from jaxdet.config.data import Data
from jaxdet.data.folder import load_sets, look_at_layout
from jaxdet.data.images import NoImageError
from jaxdet.data.regular import listing, read_image_file, reason
from jaxdet.data.table.columns import Reading
from jaxdet.data.table.find import Found, find_table
from jaxdet.data.table.root import TableRoot
from jaxdet.data.table.rows import WHOLE, Words
from jaxdet.data.table.sets import PlacedTable, TableSet
from jaxdet.errors import UserError
from jaxdet.workdir.identity import fingerprint_of


@dataclasses.dataclass(frozen=True)
class Listing:
    """Describes what is packed: label folders in the folder source's order, and their files."""

    root: Path
    folders: tuple[str, ...]
    files: tuple[tuple[int, str], ...]  # folder's place, file's name
    left_aside: str = ""  # what else lies below the root, in one line
    losses: tuple[tuple[str, str], ...] = ()  # see `LeftAside.losses`
    shared: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)  # see `PathTable`

    @functools.cached_property
    def fingerprint(self) -> str:
        """Returns a hex digest of the names, sizes and modification times of all files, in order.

        Raises:
          UserError: where a file went away.
        """
        return fingerprint_of(self._marks())

    @property
    def order(self) -> np.ndarray:
        """Returns the numbers of the images in the order in which they are best read, i64 [N]."""
        return np.arange(len(self.files))

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """Returns those of `layout.COLUMNS` that say anything of these images, i64 [N] each."""
        return {}

    @functools.cached_property
    def generators(self) -> Sequence[str]:
        """Returns the names of which the column `generators` holds the places."""
        return ()

    def path(self, number: int) -> str:
        """Returns the path of an image below the root or store."""
        folder, name = self.files[number]
        return f"{self.folders[folder]}/{name}"

    def where(self, number: int) -> str:
        """Returns what a message calls an image."""
        return self.path(number)

    def content(self, number: int) -> tuple[bytes, str]:
        """Returns the content of an image, broken or not, and why there is none of a row.

        Raises:
          UserError: where there is none to keep: a pipe, a link to nowhere, a file that may not be
            read or that is larger than any image within the default `data.max_pixels`.
        """
        path = self.root / self.path(number)
        try:
            return read_image_file(path, max_pixels=Data.max_pixels), ""
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot be packed: {reason(error)}; remove it") from None

    def _marks(self) -> Iterator[bytes]:
        for number in range(len(self.files)):
            path = self.path(number)
            try:
                status = os.stat(f"{self.root}/{path}")
            except OSError as error:
                raise UserError(f"{self.root}/{path}: {error.strerror}") from None
            line = f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n"
            yield line.encode("utf8", "surrogateescape")


@dataclasses.dataclass(frozen=True)
class RowListing(Listing):
    """Describes the rows of a table that are packed, as a folder of them would be."""

    sets: tuple[TableSet, ...] = ()
    own_name: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, np.bool_))

    @property
    def table(self) -> PlacedTable:
        """Returns the table, of which each image is a row."""
        return self.sets[0].table

    @functools.cached_property
    def rows(self) -> np.ndarray:
        """Returns the row of each image, i64 [N]."""
        return np.concatenate([images.rows for images in self.sets])

    @functools.cached_property
    def fingerprint(self) -> str:
        """Returns a hex digest of the sets, their rows, and the files behind them.

        With their groups and, where any has one, generators.
        """
        marks = (f"{images.name}\0{images.identity('times')}\n" for images in self.sets)
        groups = itertools.chain.from_iterable(images.group_names() for images in self.sets)
        made_by = itertools.chain.from_iterable(images.generator_names() for images in self.sets)
        words = [*groups, *(made_by if self.generators else ())]
        return fingerprint_of("".join(marks) + "\0".join(words))

    @property
    def order(self) -> np.ndarray:
        """Returns the order of the rows in their Parquet files; of files that of the listing."""
        table = self.table.rows
        if (table.row[self.rows] == WHOLE).all():
            return np.arange(len(self.rows))
        return np.lexsort((table.row[self.rows], table.file[self.rows]))

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """Returns group, generator and whether it is numbered of each row; see Listing."""
        group, found = self.table.rows.group, {}
        number = np.array([place if word else -1 for place, word in enumerate(group.words)])
        groups = number[group.code[self.rows]].astype(np.int64)
        if (groups >= 0).any():
            found["groups"] = groups
        if self.generators:
            found["generators"] = self._made_by.code.astype(np.int64)
        # A row of a Parquet file has no other name than its number.
        numbered = (self.table.rows.row[self.rows] == WHOLE) & ~self.own_name
        if numbered.any():
            found["numbered"] = numbered.astype(np.int64)
        return found

    @functools.cached_property
    def generators(self) -> Sequence[str]:
        """Returns the generators of the rows, "" for none.

        Nothing where training has none but its class folders: test sets have names of their own.
        """
        is_training = [images.name == "train" for images in self.sets]
        place = np.flatnonzero(np.repeat(is_training, [len(images) for images in self.sets]))
        classes = self.table.places.category.at(self.rows[place])
        named = zip(self._made_by.at(place), classes, strict=True)
        return self._made_by.words if any(one not in ("", own) for one, own in named) else ()

    @functools.cached_property
    def _made_by(self) -> Words:
        return Words.of(self.table.rows.generator.at(self.rows))

    def where(self, number: int) -> str:
        """Returns the file of the row, with the row's number where it holds several."""
        return self.table.rows.where(int(self.rows[number]))

    def content(self, number: int) -> tuple[bytes, str]:
        """Returns the image of the row; nothing and the reason where it has none."""
        try:
            return self.table.content(int(self.rows[number]), max_pixels=Data.max_pixels), ""
        except NoImageError as error:
            return b"", str(error)
        except (OSError, ValueError) as error:
            place = self.where(number)
            raise UserError(
                f"{place}: cannot be packed: {reason(error)}; remove its row from "
                f"{self.table.rows.place}"
            ) from None


def list_files(src: Path, reading: Reading | None = None) -> Listing:
    """Lists every image of every split, in the order of a run.

    Args:
      src: a folder or a table.
      reading: what the user says of it; None: nothing.

    Raises:
      UserError: where there is none, or it cannot be read as asked.
    """
    found = find_table(src, reading or Reading())
    if found is not None:
        return _list_rows(src, found)
    with listing(src):
        sets, aside = load_sets(src), look_at_layout(src)
    if not sets:
        raise UserError(f"{src}: holds no train/, val/ or test/; see docs/data.md for the layout")
    paths = [f"{one.name}/{i}".rsplit("/", 1) for one in sets for i in one.ids]
    folders, files = _numbered(paths)
    return Listing(src, folders, files, aside.sentence(), tuple(aside.losses()))


def _list_rows(src: Path, found: Found) -> RowListing:
    root = TableRoot(found.table)
    sets = root.parts()
    own_name = _have_own_name(sets, root)
    folders, files = _numbered(list(_paths(sets, own_name)))
    losses = tuple(found.aside.losses())
    return RowListing(
        src,
        folders,
        files,
        found.sentence(),
        losses,
        root.shared,
        sets=tuple(sets),
        own_name=own_name,
    )


def _numbered(
    paths: Sequence[Sequence[str]],
) -> tuple[tuple[str, ...], tuple[tuple[int, str], ...]]:
    """Returns the folders of some paths, and of each path its folder's place and its name."""
    folders = tuple(dict.fromkeys(folder for folder, _ in paths))
    places = {folder: place for place, folder in enumerate(folders)}
    return folders, tuple((places[folder], name) for folder, name in paths)


def _paths(sets: Sequence[TableSet], own_name: np.ndarray) -> Iterator[tuple[str, str]]:
    """Yields folder and name of each row: its file's own name where no other beside it has that."""
    own = iter(own_name.tolist())
    for images in sets:
        for one in images.ids:
            above, _, numbered = one.rpartition("/")
            yield f"{images.name}/{above}", numbered.partition("-")[2] if next(own) else numbered


def _have_own_name(sets: Sequence[TableSet], root: TableRoot) -> np.ndarray:
    """Returns whether no other image of its folder has the file's name of each row, bool [N].

    Real images that generators share stand in one folder here: in the generators' sets they do.
    """
    table, rows = root.table.rows, np.concatenate([images.rows for images in sets])
    reals = {name for names in root.shared.values() for name in names}
    places = [-1 if images.name in reals else place for place, images in enumerate(sets)]
    names = Words.of(file.rpartition("/")[2] for file in table.files)
    name = names.code[table.file[rows]]
    facts = (
        np.repeat(places, [len(images) for images in sets]),
        root.table.places.category.code[rows],
        table.label[rows],
        name,
    )
    keys = np.unique(np.stack(facts, axis=1), axis=0, return_inverse=True, return_counts=True)
    is_alone = keys[2][keys[1].reshape(-1)] == 1
    has_name = np.array([bool(word) for word in names.words])[name]
    return is_alone & has_name & (table.row[rows] == WHOLE)


def set_of(folder: str) -> str:
    """Returns the set that a label folder belongs to: `train`, `val` or `test/<set>`."""
    parts = folder.split("/")
    return "/".join(parts[: 2 if parts[0] == "test" else 1])
