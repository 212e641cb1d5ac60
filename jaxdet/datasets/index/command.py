"""`python -m jaxdet.data index ROOT --out=FILE.parquet`."""

import argparse
from pathlib import Path

from jaxdet.data.table.parquet import write_rows
from jaxdet.datasets.index.rows import (
    COLUMNS,
    facts_of,
    missing_files,
    portions,
    read_root,
    summary,
)
from jaxdet.datasets.reading import add_reading_flags, reading_of_flags
from jaxdet.errors import UserError
from jaxdet.streams import answer, printable
from jaxdet.workdir.drafts import refuse_existing

HELP = "write a table of the images in a folder of any layout, or in another table"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `index`."""
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder or table of images")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.parquet", help="the index to write"
    )
    add_reading_flags(parser)


def run(arguments: argparse.Namespace) -> None:
    """Reads all rows, then writes them.

    Raises:
      UserError: where the root cannot be read, or the file is there already.
    """
    root, out = arguments.root, arguments.out
    if out.suffix != ".parquet":
        raise UserError(f"--out={out}: an index is a Parquet file; give it the ending .parquet")
    # Before the long part.
    refuse_existing(out)
    table = read_root(root, reading_of_flags(arguments))
    gone, first = missing_files(table)
    write_rows(out, COLUMNS, portions(table), facts_of(table, out).to_plain())
    if gone:
        answer(f"{out}: {gone:,} files that it names are not there, such as {printable(first)}")
    answer(f"{out}: {summary(table)}")
