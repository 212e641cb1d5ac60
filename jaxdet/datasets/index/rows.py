"""Makes the rows of an index: of a table, of a folder in any layout, or of sets."""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.data.folder import load_sets
from jaxdet.data.images import LABEL_FOLDERS, SPLITS
from jaxdet.data.regular import stats_of
from jaxdet.data.table.columns import Reading
from jaxdet.data.table.find import find_table
from jaxdet.data.table.index import IndexFacts, folder_fact, table_fact
from jaxdet.data.table.parquet import write_rows
from jaxdet.data.table.rows import WHOLE, Table, Words
from jaxdet.data.walk import folders_of
from jaxdet.data.words import LABELS
from jaxdet.errors import UserError
from jaxdet.streams import printable, tell
from jaxdet.workdir.drafts import refuse_existing

# What the columns of an index hold.
_COLUMNS: Mapping[str, str] = {
    "image": "text", "row": "number", "label": "text", "split": "text", "generator": "text",
    "category": "text", "group": "text",
}  # fmt: skip
_PORTION = 2**16
# Image files whose bytes are looked at when an index is opened.
_SAMPLED = 64


def read_root(root: Path, reading: Reading) -> Table:
    """Returns the images of a table or folder, in the order of a run, and tells how it was read.

    Raises:
      UserError: where there are none, or they cannot be read as asked.
    """
    found = find_table(root, reading)
    if found is None:
        return _of_sets(root)
    if line := found.sentence():
        tell(f"{root}: {line}")
    return found.table


def _of_sets(root: Path) -> Table:
    """Returns the images of a folder in the plain layout."""
    sets = load_sets(root)
    if not sets:
        raise UserError(f"{root}: holds none of train, val and test; see docs/data.md")
    files = [f"{images.name}/{one}" for images in sets for one in images.ids]
    steps = [file.split("/") for file in files]
    return Table(
        place=str(root),
        name=root.resolve().name or "root",
        base=root,
        files=files,
        file=np.arange(len(files), dtype=np.int32),
        row=np.full(len(files), WHOLE, np.int64),
        label=np.array([LABEL_FOLDERS.index(one[-2]) for one in steps], np.int32),
        split=Words.of(one[0] for one in steps),
        generator=Words.of(one[1] if one[0] == "test" else "" for one in steps),
        category=Words.of("/".join(one[1 + (one[0] == "test") : -2]) for one in steps),
        group=Words.same("", len(files)),
        sources=[
            folder
            for split in SPLITS
            if (root / split).is_dir()
            for folder in folders_of(root / split)
        ],
    )


def check_out(out: Path) -> None:
    """Raises UserError where an index cannot be written to a path; drafts of it are cleared."""
    if out.suffix != ".parquet":
        raise UserError(f"--out={out}: an index is a Parquet file; give it the ending .parquet")
    refuse_existing(out)


def write_index(out: Path, table: Table) -> str:
    """Writes an index, and returns a line about files that are not there, "" where all are."""
    gone, first = _missing_files(table)
    write_rows(out, _COLUMNS, _portions(table), _facts_of(table, out).to_plain())
    there = f"{out}: {gone:,} files that it names are not there, such as {printable(first)}"
    return there if gone else ""


def _facts_of(table: Table, out: Path) -> IndexFacts:
    """Returns what an index at `out` keeps of a table beside its rows."""
    tables, folders, samples = {}, {}, {}
    for source in map(Path, table.sources):
        name = os.path.relpath(os.path.abspath(source), os.path.abspath(table.base))
        if source.is_dir():
            folders[name] = folder_fact(source)
        else:
            tables[name] = table_fact(source)
    if not table.image:
        used = np.unique(table.file)
        drawn = used[np.unique(np.linspace(0, len(used) - 1, _SAMPLED).astype(np.int64))]
        sizes = {name: table_fact(table.base / name)[0] for code in drawn
                 if (name := table.files[code])}  # fmt: skip
        samples = {name: size for name, size in sizes.items() if size >= 0}
    return IndexFacts(
        # From where the index really lies: what `..` leads to does not depend on links.
        base=os.path.relpath(os.path.abspath(table.base), os.path.realpath(out.parent)),
        image=table.image,
        name=table.name,
        reals=dict(table.reals),
        tables=tables,
        folders=folders,
        samples=samples,
    )


def _portions(table: Table) -> Iterator[Mapping[str, Sequence[Any]]]:
    """Yields the columns of some rows after the other, as `parquet.write_rows` takes them."""
    columns = {
        "split": table.split,
        "generator": table.generator,
        "category": table.category,
        "group": table.group,
    }
    for first in range(0, len(table), _PORTION):
        rows = np.arange(first, min(first + _PORTION, len(table)))
        words = {
            name: [column.words[code] for code in column.code[rows].tolist()]
            for name, column in columns.items()
        }
        yield {
            "image": [table.files[code] for code in table.file[rows]],
            "row": [None if row == WHOLE else row for row in table.row[rows].tolist()],
            "label": [LABELS[label] for label in table.label[rows]],
            **words,
        }


def _missing_files(table: Table) -> tuple[int, str]:
    """Returns how many of the files that a table names are not there, and the first of them."""
    named = [code for code in np.unique(table.file) if table.files[code]]
    gone = np.flatnonzero(stats_of([str(table.base / table.files[code]) for code in named]).gone)
    return len(gone), table.files[named[gone[0]]] if len(gone) else ""


def summary(table: Table) -> str:
    """Returns the numbers of images and generators in one line."""
    fake = int(table.label.sum())
    splits = ", ".join(itertools.islice(table.split.words, 6))
    made_by = len([word for word in table.generator.words if word])
    return (
        f"{len(table):,} images, {len(table) - fake:,} real and {fake:,} fake, of {made_by:,} "
        f"named generators; {splits}"
    )
