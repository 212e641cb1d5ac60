"""Keeps facts beside the rows of `python -m jaxdet.data index`, and checks that they still hold."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxdet.data.table import parquet
from jaxdet.errors import UserError
from jaxdet.workdir.files import check_schema

KIND, SCHEMA_VERSION = "jaxdet-index", 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class IndexFacts:
    """Holds what an index says of itself; empty for the table of somebody else.

    Attributes:
      base: folder that its paths are relative to, from the index's own.
      image: column of images in the Parquet files that its rows name; "" where they name images.
      name: of its test set, where no generator names one.
      reals: as `Table.reals`.
      sources: bytes of the files that it was made of, all tables or some of the images, by path.
    """

    base: str = ""
    image: str = ""
    name: str = ""
    reals: Mapping[str, str] = dataclasses.field(default_factory=dict)
    sources: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """Returns what the file keeps."""
        return {"kind": KIND, "schema_version": SCHEMA_VERSION, **dataclasses.asdict(self)}


def index_facts(file: Any, path: Path) -> IndexFacts:
    """Returns what an opened Parquet file says of itself.

    Raises:
      UserError: where it is an index that is damaged or of a newer schema.
    """
    about = dict(parquet.own_facts(file))
    if about.pop("kind", None) != KIND:
        return IndexFacts()
    check_schema(path, about.pop("schema_version", None), known=SCHEMA_VERSION)
    try:
        facts = IndexFacts(**about)
        texts = [facts.base, facts.image, facts.name, *facts.reals, *facts.reals.values()]
        if not all(isinstance(one, str) for one in [*texts, *facts.sources]):
            raise TypeError
        if not all(type(one) is int for one in facts.sources.values()):
            raise TypeError
    except (TypeError, AttributeError):
        raise UserError(f"{path}: is not the index that was written; make it again") from None
    return facts


def folder_of(path: Path, facts: IndexFacts) -> Path:
    """Returns the folder that an index's paths are relative to, also where a link leads to it."""
    return Path(os.path.realpath(path)).parent / facts.base


def check_sources(path: Path, facts: IndexFacts) -> None:
    """Sees that the files of an index are as they were.

    Raises:
      UserError: naming the first that is not.
    """
    for name, size in facts.sources.items():
        file = folder_of(path, facts) / name
        try:
            there = os.stat(file).st_size
        except (OSError, ValueError):
            there = -1
        if there != size:
            what = "is gone" if there < 0 else f"has {there} bytes in place of {size}"
            raise UserError(
                f"{path}: {file} {what} since the index was made; make it again with "
                "`python -m jaxdet.data index`"
            )


def source_groups(path: Path, facts: IndexFacts) -> dict[str, parquet.RowGroups]:
    """Returns the row groups of the Parquet files that an index was made of.

    Raises:
      UserError: where one cannot be read, or has no such column.
    """
    found = {}
    for name in facts.sources:
        with parquet.looking_at(folder_of(path, facts) / name) as file:
            found[name] = parquet.row_groups(file, facts.image)
    return found
