"""Holds one table of images, from whatever source: reference, label, split, generator, group."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from jaxdet.data.images import LABEL_FOLDERS
from jaxdet.data.names import is_hidden
from jaxdet.data.regular import listing
from jaxdet.data.table.parquet import RowGroups, paths_beside
from jaxdet.data.words import LABELS, is_nothing, label_of_word, split_of_word
from jaxdet.errors import UserError
from jaxdet.workdir.files import is_step

# In place of a row: the file is the image.
WHOLE = -1


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


class Places(NamedTuple):
    """Holds where the rows of a table stand in ForenSynths layout.

    Attributes:
      set: "train", "val" or "test/<name>" of each row.
      category: the folder below the set, or "".
    """

    set: Words
    category: Words


class _Kind(NamedTuple):
    """Holds what decides where a row stands; a table has few of them."""

    split: str
    generator: str
    category: str
    label: int


def place_rows(table: Table) -> Places:
    """Returns the set and category of each row.

    A split for tests is one set for each generator; its real images, where they have no generator,
    are the set `real` that all fakes are held against. Without generators it is one set, of the
    table's name. In train and val a category is one of the table or else a generator, where each
    has both labels.

    Raises:
      UserError: where a name cannot be that of a folder.
    """
    columns = (table.split, table.generator, table.category)
    key = table.label.astype(np.int64)
    for column in columns:
        key = key * len(column.words) + column.code
    _, first, kind = np.unique(key, return_index=True, return_inverse=True)
    kinds = [
        _Kind(
            split_of_word(table.split[row]),
            _folder_name(table.generator[row], table.place),
            _folder_name(table.category[row], table.place),
            int(table.label[row]),
        )
        for row in first
    ]
    placed: dict[_Kind, tuple[str, str]] = {}
    for split, places in places_by(one.split for one in kinds).items():
        own = [kinds[place] for place in places]
        placed |= _trained_on(own) if split in ("train", "val") else _tested_on(own, table)
    return Places(
        Words.of(placed[one][0] for one in kinds).spread(kind),
        Words.of(placed[one][1] for one in kinds).spread(kind),
    )


def _trained_on(kinds: Sequence[_Kind]) -> dict[_Kind, tuple[str, str]]:
    """Returns set and category of rows of train, or of val."""
    for by in ("category", "generator"):
        names = {getattr(one, by) for one in kinds}
        both = {(getattr(one, by), one.label) for one in kinds}
        if "" not in names and len(both) == 2 * len(names):
            return {one: (one.split, getattr(one, by)) for one in kinds}
    return {one: (one.split, "") for one in kinds}


def _tested_on(kinds: Sequence[_Kind], table: Table) -> dict[_Kind, tuple[str, str]]:
    """Returns set and category of rows of one split for tests."""
    head = "" if kinds[0].split == "test" else _folder_name(kinds[0].split, table.place)
    named = _named_generators(kinds)
    by_generator = bool(named)
    placed = {}
    for one in kinds:
        generator = one.generator if one.generator in named else LABELS[one.label]
        steps = [head, generator] if by_generator else [head or table.name]
        placed[one] = "test/" + "-".join(filter(None, steps)), one.category
    even = _even(placed)
    return {one: (name, category if name in even else "")
            for one, (name, category) in placed.items()}  # fmt: skip


def _even(placed: Mapping[_Kind, tuple[str, str]]) -> set[str]:
    """Returns the sets of which every category has both labels."""
    labels: dict[str, dict[str, set[int]]] = {}
    for kind, (name, category) in placed.items():
        labels.setdefault(name, {}).setdefault(category, set()).add(kind.label)
    return {name for name, own in labels.items() if all(len(one) == 2 for one in own.values())}


def _named_generators(kinds: Sequence[_Kind]) -> set[str]:
    """Returns the names of generators, without words that say no more than a label.

    A name such as `gan` under which there are real images, too, is that of a set.
    """
    found = {one.generator for one in kinds} - {""}
    both = {one.generator for one in kinds if one.label} & {
        one.generator for one in kinds if not one.label
    }
    return {name for name in found if name in both or label_of_word(name) is None}


def _folder_name(word: str, place: str) -> str:
    """Returns a word as the name of a folder; "" for a word that stands for nothing.

    Raises:
      UserError: where it cannot be one.
    """
    name = " ".join(word.split()).replace("/", "_").replace("\\", "_")
    if is_nothing(name):
        return ""
    if not is_step(name) or is_hidden(name) or name in LABEL_FOLDERS:
        raise UserError(f"{place}: {word!r:.60} cannot name a set or a category; rename it")
    return name


def base_of(folder: Path, files: Sequence[str]) -> Path:
    """Returns the folder that a table's paths are relative to: its own, or `images` in that."""
    first = next((one for one in files if one), "")
    with listing(folder):
        inside = folder / "images"
        is_inside = (
            "\0" not in first and not (folder / first).exists() and (inside / first).exists()
        )
    return inside if is_inside else folder
