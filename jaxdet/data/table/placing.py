"""Says where the rows of a table stand in the plain layout: the set and category of each."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxdet.data.images import LABEL_FOLDERS
from jaxdet.data.names import is_hidden
from jaxdet.data.table.rows import Table, Words, places_by
from jaxdet.data.words import LABELS, is_nothing, label_of_word, split_of_word
from jaxdet.errors import UserError
from jaxdet.workdir.files import is_step


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
    generators = _folder_names(table.generator.words, table.place)
    for column in columns:
        key = key * len(column.words) + column.code
    _, first, kind = np.unique(key, return_index=True, return_inverse=True)
    kinds = [
        _Kind(
            split_of_word(table.split[row]),
            generators[table.generator[row]],
            _folder_name(table.category[row], table.place),
            int(table.label[row]),
        )
        for row in first
    ]
    placed: dict[_Kind, tuple[str, str]] = {}
    for split, places in places_by(one.split for one in kinds).items():
        own = [kinds[place] for place in places]
        placed |= _trained_on(own) if split in ("train", "val") else _tested_on(own, table)
    _refuse_one_name(placed, table.place)
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
    head = _head(kinds[0].split, table)
    named = _named_generators(kinds)
    placed = {}
    for one in kinds:
        generator = one.generator if one.generator in named else LABELS[one.label]
        steps = [head, generator] if named else [head or table.name]
        placed[one] = "test/" + "-".join(filter(None, steps)), one.category
    even = _even(placed)
    return {one: (name, category if name in even else "")
            for one, (name, category) in placed.items()}  # fmt: skip


def _head(split: str, table: Table) -> str:
    """Returns what the sets of a split for tests are called first."""
    return "" if split == "test" else _folder_name(split, table.place)


def _refuse_one_name(placed: Mapping[_Kind, tuple[str, str]], place: str) -> None:
    """Raises UserError where sets of two splits, or words of two generators, have one name."""
    first: dict[str, _Kind] = {}
    for kind, (name, _) in placed.items():
        other = first.setdefault(name, kind)
        if other.split != kind.split:
            told = " and ".join(
                f"split {one.split[:40]!r} with generator {one.generator[:40]!r}"
                for one in (other, kind)
            )
            raise UserError(f"{place}: {told} would both be the set {name}; rename one of them")


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


def _folder_names(words: Iterable[str], place: str) -> dict[str, str]:
    """Returns the name of a folder for each of some words, another for each.

    Raises:
      UserError: where one cannot be a name, or two would be one.
    """
    names = {word: _folder_name(word, place) for word in words}
    first: dict[str, str] = {}
    for word, name in names.items():
        other = first.setdefault(name, word)
        if name and " ".join(other.split()) != " ".join(word.split()):
            raise UserError(f"{place}: {other!r:.60} and {word!r:.60} would both be the set {name}")
    return names


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
