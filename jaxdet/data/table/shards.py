"""Reads Parquet files of images as one table: the rows of each, then what holds for all."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.data.table import parquet
from jaxdet.data.table.cells import Where, labels_of, refuse_urls, word_of
from jaxdet.data.table.columns import Reading, choose_columns
from jaxdet.data.table.index import (
    IndexFacts,
    check_sources,
    folder_of,
    index_facts,
    source_groups,
    source_path,
)
from jaxdet.data.table.rows import WHOLE, Table, Words, base_of
from jaxdet.data.words import Named, is_split_word, split_of_word
from jaxdet.errors import UserError
from jaxdet.streams import printable

# How Hugging Face names shards.
_SHARD = re.compile(r"(?P<split>.+?)-\d{5}-of-\d{5}\b.*")


def read_shards(path: Path, names: Sequence[str], reading: Reading) -> Table:
    """Returns the images of some Parquet files.

    Args:
      path: of the only one, or of the folder that they lie in.
      names: of the files, below the folder.
      reading: what the user says of their columns and labels.

    Raises:
      UserError: naming the file, and where there is one the row, that cannot be used.
    """
    folder = path if path.is_dir() else path.parent
    parts = [_read_shard(folder, name, reading) for name in names]
    parts = [part for part in parts if len(part.label)]
    if not parts:
        raise UserError(f"{path}: holds no rows")
    _check_names(parts)
    splits = _splits(path, parts, reading)
    facts, image = _in_common(path, parts)
    files: dict[str, int] = {}
    code = [files.setdefault(one, len(files)) for part in parts for one in part.files]
    firsts = np.cumsum([0, *(len(part.files) for part in parts)])
    file = [part.file + first for part, first in zip(parts, firsts, strict=False)]

    def words(role: str) -> Words:
        return Words.joined(
            part.words.get(role) or Words.same("", len(part.label)) for part in parts
        )

    if facts.base:
        base = folder_of(folder / parts[0].name, facts)
    else:
        base = folder if image else base_of(folder, list(files))
    return Table(
        place=str(path),
        name=facts.name or (path.resolve().name if path.is_dir() else path.stem),
        base=base,
        files=list(files),
        file=np.array(code, np.int32)[np.concatenate(file)],
        row=np.concatenate([part.row for part in parts]),
        image=facts.image or image,
        label=np.concatenate([part.label for part in parts]),
        split=Words.joined(splits),
        generator=words("generator"),
        category=words("category"),
        group=words("group"),
        reals=facts.reals,
        columns={} if facts.base else parts[0].columns,
        sources=_sources(folder, names, parts[0].name, facts),
        groups={name: own for part in parts for name, own in part.groups.items()},
    )


def _sources(folder: Path, names: Sequence[str], first: str, facts: IndexFacts) -> list[str]:
    """Returns the files that the rows come from; of an index what that was made of."""
    if facts.base:
        made_of = [*facts.tables, *facts.folders]
        return [str(source_path(folder / first, facts, name)) for name in made_of]
    return [str(folder / name) for name in names]


def _in_common(path: Path, parts: Sequence["_Shard"]) -> tuple[IndexFacts, str]:
    """Returns what an index says of itself, and the column of images of all files.

    Raises:
      UserError: where an index lies among other files, or they name that column otherwise.
    """
    indexes = [part.name for part in parts if part.facts.base]
    if indexes and len(parts) > 1:
        raise UserError(f"{path}: {indexes[0]} is an index of images: give it alone, or move it")
    images = {part.image: part.name for part in parts if part.image}
    if len(images) > 1:
        (one, first), (other, second) = list(images.items())[:2]
        raise UserError(
            f"{path}: the images are the column {one!r} in {first} and {other!r} in {second}; "
            "give the files of one kind a folder of their own"
        )
    return parts[0].facts, next(iter(images), "")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Shard:
    """Holds what one Parquet file says of its rows.

    Attributes:
      name: below the table's folder.
      files: of which the rows are.
      file: i64 [N], place in `files`.
      row: i64 [N], the row of a Parquet file, or WHOLE.
      image: column of images; "" where files are images.
      named: whether the file says what the numbers of its labels are called; None: has no numbers.
      label: i32 [N].
      words: of the roles that the file has.
      columns: name of the column of each role.
      facts: of an index that `data index` wrote.
      groups: of itself, or of the files that an index names.
    """

    name: str
    files: Sequence[str]
    file: np.ndarray
    row: np.ndarray
    image: str
    named: bool | None
    label: np.ndarray
    words: dict[str, Words]
    columns: Mapping[str, str]
    facts: IndexFacts
    groups: dict[str, parquet.RowGroups]


def _read_shard(folder: Path, name: str, reading: Reading) -> _Shard:
    path = folder / name

    def where(row: int) -> str:
        return f"{path}: row {row}"

    with parquet.looking_at(path) as file:
        columns = choose_columns(file.schema_arrow.names, reading, place=str(path))
        image, facts = columns["image"], index_facts(file, path)
        is_paths = parquet.image_kind(file, image, place=str(path)) == "paths"
        groups: dict[str, parquet.RowGroups] = {}
        if is_paths:
            files, rows = _named_files(file, image, facts)
        else:
            count = file.metadata.num_rows
            files, rows = Words.same(name, count), np.arange(count)
            groups[name] = parquet.row_groups(file, image)
        roles = [role for role in columns if role != "image"]
        found = {role: _distinct(file, columns[role], path) for role in roles}
    refuse_urls(files.words, str(path))
    check_sources(path, facts)
    if facts.image:
        groups = source_groups(path, facts, files.words)
    # Without a column they were not asked for.
    values, code = found.pop("label", ([0], np.zeros(len(rows), np.int64)))
    label = labels_of(values, reading, where, rows=_first_rows(code, len(values)))
    numbers = {isinstance(one, Named) for one in values if isinstance(one, (Named, int))}
    return _Shard(
        name=name,
        files=files.words,
        file=files.code,
        row=rows,
        image="" if is_paths else image,
        named=max(numbers, default=None) if not reading.labels else None,
        label=label[code],
        words={role: _words(*one, where=where, role=role) for role, one in found.items()},
        columns=columns,
        facts=facts,
        groups=groups,
    )


def _named_files(file: Any, column: str, facts: IndexFacts) -> tuple[Words, np.ndarray]:
    """Returns the files that a column names, and the row in each; WHOLE where it is the image."""
    files = Words.of(cell or "" for cell in parquet.texts(file, column))
    if facts.image:
        return files, parquet.numbers(file, "row", missing=WHOLE)
    return files, np.full(len(files.code), WHOLE, np.int64)


def _distinct(file: Any, column: str, path: Path) -> tuple[list[Any], np.ndarray]:
    try:
        return parquet.distinct_values(file, column)
    except TypeError as error:
        raise UserError(f"{path}: column {printable(column)[:60]!r} is {error}") from None


def _first_rows(code: np.ndarray, count: int) -> list[int]:
    """Returns the first row of each distinct value; -1 for one that no row has."""
    first = np.full(count, -1, np.int64)
    used, rows = np.unique(code, return_index=True)
    first[used] = rows
    return [int(row) for row in first]


def _words(values: Sequence[Any], code: np.ndarray, *, where: Where, role: str) -> Words:
    firsts = _first_rows(code, len(values))
    words = Words.of(
        word_of(one, where, row, role) if row >= 0 else ""
        for one, row in zip(values, firsts, strict=True)
    )
    return words.spread(code)


def _check_names(parts: Sequence[_Shard]) -> None:
    """Raises UserError where numbers have names in one file and none in another."""
    kinds = {part.named: part.name for part in parts if part.named is not None}
    if len(kinds) > 1:
        raise UserError(
            f"{kinds[True]} names the numbers of its labels and {kinds[False]} does not: say what "
            'they mean with --config.data.labels=\'{"0": "real", "1": "fake"}\''
        )


def _splits(path: Path, parts: Sequence[_Shard], reading: Reading) -> list[Words]:
    """Returns the split of each row, by a column or else by the names of the shards.

    All are tests where splits are not asked for.

    Raises:
      UserError: where some shards say theirs and others do not.
    """
    if "split" not in reading.roles:
        return [Words.same("test", len(part.label)) for part in parts]
    said = [part.words.get("split") or _split_of_shard(path, part) for part in parts]
    silent = [part.name for part, one in zip(parts, said, strict=True) if one is None]
    if silent and len(silent) < len(parts):
        saying = next(part.name for part in parts if part.name not in silent)
        raise UserError(
            f"{path}: {saying} says its split and {silent[0]} does not; rename it, as in "
            "train-00000-of-00001.parquet, or move it to a folder `train`, `val` or `test`"
        )
    pairs = zip(parts, said, strict=True)
    return [one or Words.same("test", len(part.label)) for part, one in pairs]


def _split_of_shard(path: Path, part: _Shard) -> Words | None:
    """Returns the split that the folders around a shard say, or its name; None where none does.

    The names are those of Hugging Face, `train-00000-of-00001.parquet`, whose beginning may be any
    word where no folder says another, and those of Hive, a folder `split=train`.

    Raises:
      UserError: where two of them say different splits.
    """
    *folders, name = part.name.split("/")
    sharded = _SHARD.fullmatch(name)
    # A file given by itself may be called anything.
    own = sharded["split"] if sharded else name.partition(".")[0] if path.is_dir() else ""
    said = {step: word for step in folders if (word := _split_of_folder(step))}
    if is_split_word(own) or (sharded and not said):
        said[name] = own
    splits = {split_of_word(word): step for step, word in said.items()}
    if len(splits) > 1:
        (one, first), (other, second) = list(splits.items())[:2]
        raise UserError(
            f"{path}: {printable(part.name)[:200]}: {printable(first)[:80]} says {one} and "
            f"{printable(second)[:80]} says {other}; rename one, or give the table a column `split`"
        )
    return Words.same(next(iter(splits)), len(part.label)) if splits else None


def _split_of_folder(step: str) -> str:
    key, equals, value = step.partition("=")
    if equals and key.strip().lower() == "split":
        return value
    return step if is_split_word(step) else ""
