"""From a file or folder of tables to one `Table`: which kind it is, and its rows."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jaxdet.data.formats import is_image_name
from jaxdet.data.names import is_hidden
from jaxdet.data.regular import listing
from jaxdet.data.table import text
from jaxdet.data.table.cells import labels_of, path_of, word_of
from jaxdet.data.table.columns import Reading
from jaxdet.data.table.rows import WHOLE, Table, Words, base_of
from jaxdet.data.table.shards import read_shards
from jaxdet.data.walk import walk
from jaxdet.errors import UserError

PARQUET = ".parquet"
ENDINGS = (*text.ENDINGS, PARQUET)


def is_table(path: Path) -> bool:
    """Returns whether a file is a table by its name, or a folder has Parquet files and no images.

    Raises:
      UserError: for a folder that has both.
    """
    if not path.is_dir():
        return path.name.lower().endswith(ENDINGS)
    shard = image = ""
    for name in _files(path):
        if name.lower().endswith(PARQUET):
            shard = shard or name
        elif is_image_name(name):
            image = image or name
        if shard and image:
            raise UserError(
                f"{path}: holds a table, {shard}, and image files, {image}: give the table, or "
                "move it out of the folder"
            )
    return bool(shard)


def read_table(path: Path, reading: Reading) -> Table:
    """Returns the images that a table lists, in its order.

    Args:
      path: of a CSV, TSV, JSONL or Parquet file, or a folder of Parquet files.
      reading: what the user says of its columns and labels.

    Raises:
      UserError: naming the file, and where there is one the row, that cannot be used.
    """
    with listing(path):
        if path.is_dir():
            names = sorted(name for name in _files(path) if name.lower().endswith(PARQUET))
            return read_shards(path, names, reading)
    if path.name.lower().endswith(PARQUET):
        return read_shards(path, [path.name], reading)
    return _read_text(path, reading)


def _read_text(path: Path, reading: Reading) -> Table:
    values, lines = text.read_text_table(path, reading.columns)

    def where(row: int) -> str:
        return f"{path}: line {lines[row]}"

    def words(role: str) -> Words:
        if role not in values:
            return Words.same("test" if role == "split" else "", len(lines))
        return Words.of(word_of(one, where, row, role) for row, one in enumerate(values[role]))

    files = [path_of(one, where, row) for row, one in enumerate(values["image"])]
    return Table(
        place=str(path),
        name=path.stem,
        base=base_of(path.parent, files),
        files=files,
        file=np.arange(len(files), dtype=np.int32),
        row=np.full(len(files), WHOLE, np.int64),
        label=labels_of(values["label"], reading, where),
        split=words("split"),
        generator=words("generator"),
        category=words("category"),
        group=words("group"),
    )


def _files(folder: Path) -> Iterator[str]:
    """Yields the files below a folder that are not hidden, as paths below it."""
    for visit in walk(folder):
        if visit.path and any(map(is_hidden, visit.path.split("/"))):
            continue
        for name in visit.names:
            if not is_hidden(name):
                yield f"{visit.path}/{name}" if visit.path else name
