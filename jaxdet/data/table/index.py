"""Keeps facts beside the rows of `python -m jaxdet.data index`, and checks that they still hold."""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jaxdet.data.formats import is_image_name
from jaxdet.data.names import is_folder, is_hidden
from jaxdet.data.table import parquet
from jaxdet.errors import UserError
from jaxdet.workdir.files import check_schema
from jaxdet.workdir.identity import fingerprint_of

KIND, SCHEMA_VERSION = "jaxdet-index", 2
_AGAIN = "make it again with `python -m jaxdet.data index`"


@dataclasses.dataclass(frozen=True, kw_only=True)
class IndexFacts:
    """Holds what an index says of itself; empty for the table of somebody else.

    Paths are relative to `base`.

    Attributes:
      base: folder that its paths are relative to, from the index's own.
      image: column of images in the Parquet files that its rows name; "" where they name images.
      name: of its test set, where no generator names one.
      reals: as `Table.reals`.
      tables: bytes and time of change in nanoseconds of the tables that it was made of, by path.
      folders: digest of the names in each folder that it was made of, and the folder's time of
        change, by path.
      samples: bytes of some of the images, by path.
    """

    base: str = ""
    image: str = ""
    name: str = ""
    reals: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tables: Mapping[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    folders: Mapping[str, tuple[str, int]] = dataclasses.field(default_factory=dict)
    samples: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """Returns what the file keeps."""
        return {"kind": KIND, "schema_version": SCHEMA_VERSION, **dataclasses.asdict(self)}


def index_facts(file: Any, path: Path) -> IndexFacts:
    """Returns what an opened Parquet file says of itself.

    Raises:
      UserError: where it is an index that is damaged or of another schema.
    """
    about = dict(parquet.own_facts(file))
    if about.pop("kind", None) != KIND:
        return IndexFacts()
    version = about.pop("schema_version", None)
    check_schema(path, version, known=SCHEMA_VERSION, advice=f", or {_AGAIN}")
    try:
        facts = IndexFacts(**about)
        texts = [facts.base, facts.image, facts.name, *facts.reals, *facts.reals.values()]
        paths = [*facts.tables, *facts.folders, *facts.samples]
        if not all(isinstance(one, str) for one in [*texts, *paths]):
            raise TypeError
        numbers = [*facts.samples.values(), *(n for one in facts.tables.values() for n in one)]
        if not all(type(one) is int for one in numbers):
            raise TypeError
        if not all(len(one) == 2 for one in [*facts.tables.values(), *facts.folders.values()]):
            raise TypeError
    except (TypeError, AttributeError):
        raise UserError(f"{path}: is not the index that was written; make it again") from None
    return facts


def folder_of(path: Path, facts: IndexFacts) -> Path:
    """Returns the folder that an index's paths are relative to, also where a link leads to it."""
    return Path(os.path.realpath(path)).parent / facts.base


def source_path(path: Path, facts: IndexFacts, name: str) -> Path:
    """Returns where something lies that an index was made of; what `..` leads to is no link's."""
    return Path(os.path.normpath(folder_of(path, facts) / name))


def table_fact(file: Path) -> tuple[int, int]:
    """Returns bytes and time of change of a file; (-1, -1) where it is gone."""
    try:
        status = os.stat(file)
    except (OSError, ValueError):
        return -1, -1
    return status.st_size, status.st_mtime_ns


def folder_fact(folder: Path) -> tuple[str, int]:
    """Returns a digest of the names of images and folders in a folder, and its time of change.

    ("", -1) where it cannot be listed.
    """
    try:
        # Before the names: what changes in between is seen the next time.
        changed = os.stat(folder).st_mtime_ns
        names = [
            entry.name
            for entry in os.scandir(folder)
            if not is_hidden(entry.name) and (is_folder(entry) or is_image_name(entry.name))
        ]
    except (OSError, ValueError):
        return "", -1
    return fingerprint_of("\0".join(sorted(names))), changed


def check_sources(path: Path, facts: IndexFacts) -> None:
    """Sees that the files and folders of an index are as they were.

    Raises:
      UserError: naming the first that is not.
    """
    for name, (size, changed) in facts.tables.items():
        there = table_fact(file := source_path(path, facts, name))
        if there[0] != size:
            raise _stale(path, file, _of_size(there[0], size))
        if there[1] != changed:
            raise _stale(path, file, "was written anew")
    for name, (digest, changed) in facts.folders.items():
        folder = source_path(path, facts, name)
        if _time_of(folder) != changed and folder_fact(folder)[0] != digest:
            raise _stale(path, folder, "has other images or folders in it")
    for name, size in facts.samples.items():
        file = source_path(path, facts, name)
        if (there_now := table_fact(file)[0]) != size:
            raise _stale(path, file, _of_size(there_now, size))


def _time_of(folder: Path) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except (OSError, ValueError):
        return -1


def _of_size(there: int, size: int) -> str:
    return "is gone" if there < 0 else f"has {there} bytes in place of {size}"


def _stale(path: Path, source: Path, what: str) -> UserError:
    return UserError(f"{path}: {source} {what} since the index was made; {_AGAIN}")


def source_groups(
    path: Path, facts: IndexFacts, names: Iterable[str]
) -> dict[str, parquet.RowGroups]:
    """Returns the row groups of the Parquet files that the rows of an index name.

    Raises:
      UserError: where one cannot be read, or has no such column.
    """
    found = {}
    for name in names:
        with parquet.looking_at(folder_of(path, facts) / name) as file:
            found[name] = parquet.row_groups(file, facts.image)
    return found
