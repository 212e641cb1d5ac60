"""Reads folders of images whose labels stand in text tables among them, as they are released.

B-Free and SynthWildX have one CSV beside their images, NTIRE 2026 one for each shard, `ImageFolder`
of Hugging Face a `metadata.csv` in each split.
"""

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxdet.data.aside import LeftAside
from jaxdet.data.table.columns import Reading, choose_columns, columns_sentence
from jaxdet.data.table.kind import TEXTS, table_files
from jaxdet.data.table.load import read_text
from jaxdet.data.table.rows import Table, Words
from jaxdet.data.table.text import column_names
from jaxdet.data.walk import walk
from jaxdet.data.words import is_split_word, split_of_word
from jaxdet.errors import UserError
from jaxdet.streams import printable, some_names

# What ends the first word of a table's name, `val_labels.csv`.
_WORDS = re.compile(r"[-_. ]")


class Listings(NamedTuple):
    """Holds the text tables below a folder.

    Attributes:
      columns: of each that has an image and a label, by its path below the folder: the name of the
        column of each role.
      reason: why the first of the others is none; "" without others.
    """

    columns: Mapping[str, Mapping[str, str]]
    reason: str


class Listed(NamedTuple):
    """Holds the images that tables in a folder list, and what else lies there."""

    table: Table
    aside: LeftAside


def find_listings(root: Path, reading: Reading) -> Listings:
    """Returns the text tables below a folder that list images with their labels."""
    columns, reason = {}, ""
    for name in sorted(one for one in table_files(root) if one.lower().endswith(TEXTS)):
        try:
            columns[name] = choose_columns(column_names(root / name), reading, place=name)
        except UserError as error:
            reason = reason or str(error)
    return Listings(columns, reason)


def read_listed(root: Path, listings: Listings, reading: Reading) -> Listed:
    """Returns the images that some tables below a folder list, one table after the other.

    Raises:
      UserError: where one cannot be read, two list one image, or some say their split alone.
    """
    splits = _splits(root, listings)
    parts = [read_text(root / name, reading, split=split) for name, split in splits.items()]
    files = [_below(root, part) for part in parts]
    _refuse_twice(root, list(splits), files)
    sizes = np.cumsum([0, *(len(own) for own in files)])[:-1]
    table = dataclasses.replace(
        parts[0],
        place=str(root),
        name=root.resolve().name or "root",
        base=root,
        files=[one for own in files for one in own],
        file=np.concatenate([part.file + n for part, n in zip(parts, sizes, strict=True)]),
        row=np.concatenate([part.row for part in parts]),
        label=np.concatenate([part.label for part in parts]),
        sources=[str(root / name) for name in splits],
        split=Words.joined(part.split for part in parts),
        generator=Words.joined(part.generator for part in parts),
        category=Words.joined(part.category for part in parts),
        group=Words.joined(part.group for part in parts),
    )
    return Listed(table, _left_aside(root, table, set(splits)))


def _splits(root: Path, listings: Listings) -> dict[str, str]:
    """Returns the split of each table that has no column of splits; "test" where nothing says it.

    Raises:
      UserError: where some say theirs and others do not.
    """
    said = {name: _split_of_name(root, name) for name in listings.columns}
    silent = [name for name, one in said.items() if not one]
    silent = [name for name in silent if "split" not in listings.columns[name]]
    if silent and len(silent) < len(said):
        saying = next(name for name in said if name not in silent)
        raise UserError(
            f"{root}: {printable(saying)[:80]} says its split and {printable(silent[0])[:80]} does "
            "not; rename it, as in train_labels.csv, or move it and its images to a folder `train`,"
            " `val` or `test`"
        )
    return {name: one or "test" for name, one in said.items()}


def _split_of_name(root: Path, name: str) -> str:
    """Returns the split that the folders around a table, or the first word of its name, say."""
    *folders, file = name.split("/")
    words = [*folders, _WORDS.split(file)[0]]
    said = list(dict.fromkeys(split_of_word(word) for word in words if is_split_word(word)))
    if len(said) > 1:
        raise UserError(
            f"{root}: {printable(name)[:200]}: its name and folders say {said[0]} and {said[1]}; "
            "rename one, or give the table a column `split`"
        )
    return said[0] if said else ""


def _below(root: Path, part: Table) -> list[str]:
    """Returns the paths of a table's images below the root; "" where a row has none."""
    above = os.path.relpath(part.base, root)
    return [os.path.normpath(os.path.join(above, one)) if one else "" for one in part.files]


def _refuse_twice(root: Path, names: Sequence[str], files: Sequence[Sequence[str]]) -> None:
    first: dict[str, str] = {}
    for name, own in zip(names, files, strict=True):
        for one in own:
            other = first.setdefault(one, name) if one else name
            if other != name:
                raise UserError(
                    f"{root}: {printable(one)[:100]} stands in {other} and in {name}; give the "
                    "table that is meant in the folder's place"
                )


def _left_aside(root: Path, table: Table, own: set[str]) -> LeftAside:
    """Returns what lies in a folder and in none of its tables; images of it are a fault."""
    known = own.union(table.files)
    aside = LeftAside(around=frozenset({""}))
    for visit in walk(root):
        above = f"{visit.path}/" if visit.path else ""
        rest = [one for one in visit.names if f"{above}{one}" not in known]
        aside.note(dataclasses.replace(visit, names=tuple(rest)), is_wanted=None)
    return aside


def sentence(table: Table, root: Path) -> str:
    """Returns which tables a folder was read by, in one line."""
    names = [os.path.relpath(one, root) for one in table.sources]
    n_fake = int(table.label.sum())
    splits = ", ".join(sorted({split_of_word(one) for one in table.split.words}))
    return (
        f"read as the rows of {some_names(names)}: {len(table) - n_fake:,} real and {n_fake:,} "
        f"fake images, {splits}, with {columns_sentence(table.columns)}"
    )
