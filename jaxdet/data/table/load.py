"""Loads a file or folder of tables as one `Table`."""

from pathlib import Path

import numpy as np

from jaxdet.data.regular import listing
from jaxdet.data.table import text
from jaxdet.data.table.cells import labels_of, path_of, word_of
from jaxdet.data.table.columns import Reading
from jaxdet.data.table.kind import PARQUET, table_files
from jaxdet.data.table.rows import WHOLE, Table, Words, base_of
from jaxdet.data.table.shards import read_shards


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
            names = sorted(name for name in table_files(path) if name.lower().endswith(PARQUET))
            return read_shards(path, names, reading)
    if path.name.lower().endswith(PARQUET):
        return read_shards(path, [path.name], reading)
    return read_text(path, reading)


def read_text(path: Path, reading: Reading, *, split: str = "test") -> Table:
    """Returns the images that a text table lists, in its order.

    Args:
      path: of a file with one of `kind.TEXTS`.
      reading: what the user says of its columns and labels.
      split: of its rows, where no column says theirs.

    Raises:
      UserError: naming the line that cannot be used.
    """
    values, lines, columns = text.read_text_table(path, reading)

    def where(row: int) -> str:
        return f"{path}: line {lines[row]}"

    def words(role: str) -> Words:
        if role not in values:
            return Words.same(split if role == "split" else "", len(lines))
        return Words.of(word_of(one, where, row, role) for row, one in enumerate(values[role]))

    labels = values.get("label", [0] * len(lines))  # or they were not asked for
    files = [path_of(one, where, row) for row, one in enumerate(values["image"])]
    return Table(
        place=str(path),
        name=path.stem,
        base=base_of(path.parent, files),
        files=files,
        file=np.arange(len(files), dtype=np.int32),
        row=np.full(len(files), WHOLE, np.int64),
        label=labels_of(labels, reading, where),
        split=words("split"),
        generator=words("generator"),
        category=words("category"),
        group=words("group"),
        sources=[str(path)],
        columns=columns,
    )
