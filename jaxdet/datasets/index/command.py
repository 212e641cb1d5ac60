"""Runs `python -m jaxdet.data index ROOT --out=FILE.parquet`."""

import argparse
from pathlib import Path

from jaxdet.datasets.index.rows import check_out, read_root, summary, write_index
from jaxdet.datasets.reading import add_reading_flags, reading_of_flags
from jaxdet.streams import answer

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
    # Before the long part.
    check_out(arguments.out)
    table = read_root(arguments.root, reading_of_flags(arguments))
    line = write_index(arguments.out, table)
    for text in filter(None, (line, f"{arguments.out}: {summary(table)}")):
        answer(text)
