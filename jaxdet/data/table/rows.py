"""Holds one table of images, from whatever source: reference, label, split, generator, group."""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from jaxdet.data.names import is_visible_folder
from jaxdet.data.regular import listing
from jaxdet.data.table.parquet import RowGroups, paths_beside
from jaxdet.errors import UserError
from jaxdet.streams import printable

# In place of a row: the file is the image.
WHOLE = -1
# Paths of a table that are looked for: the first images may be gone.
_LOOKED_FOR = 100


@dataclasses.dataclass(frozen=True, eq=False)
class Words:
    """Holds a word for each row, each distinct one once.

    Attributes:
      words: the distinct ones.
      code: i32 [N], place in `words` of each row's.
    """

    words: tuple[str, ...]
    code: np.ndarray

    @classmethod
    def of(cls, values: Iterable[str]) -> Self:
        """Returns the words of some rows, in the order in which they come first."""
        places: dict[str, int] = {}
        code = np.fromiter((places.setdefault(one, len(places)) for one in values), np.int32)
        return cls(tuple(places), code)

    @classmethod
    def same(cls, word: str, count: int) -> Self:
        """Returns one word for all of `count` rows."""
        return cls((word,), np.zeros(count, np.int32))

    @classmethod
    def joined(cls, parts: Iterable["Words"]) -> Self:
        """Returns the words of several, one after the other."""
        places: dict[str, int] = {}
        codes = []
        for part in parts:
            own = [places.setdefault(word, len(places)) for word in part.words]
            codes.append(np.array(own, np.int32)[part.code])
        return cls(tuple(places), np.concatenate(codes))

    def spread(self, code: np.ndarray) -> "Words":
        """Returns the words at the given rows."""
        return Words(self.words, self.code[code])

    def __getitem__(self, row: int) -> str:
        return self.words[int(self.code[row])]

    def at(self, rows: np.ndarray) -> list[str]:
        """Returns the word of each of some rows, i64 [N]."""
        return [self.words[code] for code in self.code[rows].tolist()]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Lists images with what is known of each, N rows; where they lie makes no difference here.

    Attributes:
      place: what messages call it.
      name: of its test set, where no generator names one.
      base: folder that files are relative to.
      files: of which rows are; "" where a row has none.
      file: i32 [N], place in `files`.
      row: i64 [N], the row of a Parquet file, or WHOLE where the file is the image.
      image: column of images in Parquet files; "" where files are images.
      label: i32 [N], 1 = fake.
      split: "train", "val", "test", or the name of a further test split.
      generator: what made an image, or "".
      category: what it shows, or "".
      group: images of one group must stay together, such as copies of one picture; "" for none.
      reals: name of the real images that a generator's fakes are held against, where not all are.
      sources: tables and folders that the rows were read from; for an index of them.
      columns: name of each role's column, where a table was read; of several those of the first.
      groups: of the Parquet files among `files`.
    """

    place: str
    name: str
    base: Path
    files: Sequence[str]
    file: np.ndarray
    row: np.ndarray
    image: str = ""
    label: np.ndarray
    split: Words
    generator: Words
    category: Words
    group: Words
    reals: Mapping[str, str] = dataclasses.field(default_factory=dict)
    sources: Sequence[str] = ()
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    groups: Mapping[str, RowGroups] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: np.ndarray) -> "Table":
        """Returns some rows as a table of their own, with no more files than they have."""
        used, file = np.unique(self.file[rows], return_inverse=True)
        files = [self.files[code] for code in used]
        words = ("split", "generator", "category", "group")
        return dataclasses.replace(
            self,
            files=files,
            file=file.astype(np.int32),
            row=self.row[rows],
            label=self.label[rows],
            groups={name: self.groups[name] for name in files if name in self.groups},
            **{name: getattr(self, name).spread(rows) for name in words},
        )

    def path(self, code: int) -> str:
        """Returns the path of one of `files`; of none what no file is called."""
        name = self.files[code]
        return str(self.base / name) if name else "\0"

    def paths(self, code: int) -> list[str]:
        """Returns the path of one of `files`, then those of files that its rows may name."""
        path = self.path(code)
        if self.files[code] not in self.groups:
            return [path]
        beside = paths_beside(Path(path), self.image)
        return [path, *(str(Path(path).parent / one) for one in beside)]

    def reference(self, row: int) -> str:
        """Returns the file of a row, with the row's number where the file holds several or none."""
        file, number = self.files[int(self.file[row])], int(self.row[row])
        if not file:
            return f"#{row}"
        return file if number == WHOLE else f"{file}#{number}"

    def where(self, row: int) -> str:
        """Returns what a message calls a row: its file, or the table's with the row's number."""
        is_file = bool(self.files[int(self.file[row])])
        return str(self.base / self.reference(row)) if is_file else f"{self.place}#{row}"


def places_by(words: Iterable[str]) -> dict[str, list[int]]:
    """Returns the places of each distinct word, in their order."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(words):
        places.setdefault(word, []).append(place)
    return places


def base_of(folder: Path, files: Sequence[str]) -> Path:
    """Returns the folder that a table's paths are relative to: its own, or a folder in that.

    Known by the first image that is found, among the first hundred. `images` counts before others.

    Raises:
      UserError: where two of these folders have that image.
    """
    names = [one for one in files[:_LOOKED_FOR] if one and "\0" not in one]
    with listing(folder):
        inside = [folder / one.name for one in os.scandir(folder) if is_visible_folder(one)]
        inside.sort(key=lambda one: (one.name != "images", one.name))
        for name in names:
            if (folder / name).exists():
                return folder
            found = [one for one in inside if (one / name).exists()]
            if len(found) > 1 and found[0].name != "images":
                raise UserError(
                    f"{folder}: {printable(name)[:80]} lies in {found[0].name} and in "
                    f"{found[1].name}; give the folder with the path in the table"
                )
            if found:
                return found[0]
    return folder
