"""Finds out whether a path holds a table or a folder of another layout than the plain one."""

import os
from pathlib import Path
from typing import NamedTuple

from jaxdet.data.aside import LeftAside
from jaxdet.data.folder import is_plain
from jaxdet.data.regular import listing
from jaxdet.data.store.layout import is_store
from jaxdet.data.table import listed
from jaxdet.data.table.columns import Reading, columns_sentence
from jaxdet.data.table.kind import is_table
from jaxdet.data.table.listed import Listings, find_listings, read_listed
from jaxdet.data.table.load import read_table
from jaxdet.data.table.recognise import NoLabelsError
from jaxdet.data.table.rows import Table
from jaxdet.data.table.tree import read_tree
from jaxdet.errors import UserError
from jaxdet.workdir.files import check_folder


class Found(NamedTuple):
    """Holds the images of a path.

    Attributes:
      table: the images.
      reading: how it was read, in one line; "" for an index.
      aside: what else lies in a folder.
    """

    table: Table
    reading: str
    aside: LeftAside

    def sentence(self) -> str:
        """Returns how it was read and what was left aside, in one line; "" for an index."""
        return "; ".join(filter(None, (self.reading, self.aside.sentence())))


def find_table(path: Path, reading: Reading) -> Found | None:
    """Returns the images of a table or a folder in another layout; None for the plain layout.

    Raises:
      UserError: where there is nothing, a packed store, or what cannot be read as asked.
    """
    with listing(path):
        if not path.is_dir() and is_table(path) and not os.path.lexists(path):
            raise UserError(f"{path}: no such file")
        if path.is_dir() and is_store(path):
            raise UserError(f"{path}: is a packed store; give the folder that it was made of")
        if not (path.is_file() and is_table(path)):
            check_folder(path, advice="; see docs/data.md for the layout")
            # Columns are of a table: one in the folder is meant.
            listings = find_listings(path, reading) if reading.columns else None
            if listings and listings.columns and not is_table(path):
                return _listed(path, listings, reading)
            if reading.layout == "auto" and not reading.labels and is_plain(path):
                return None
            if not is_table(path):
                return _read_folder(path, reading)
    table = read_table(path, reading)
    read = f"read with {columns_sentence(table.columns)}" if table.columns else ""
    unused = f"data.layout={reading.layout} says nothing of a table"
    return Found(table, read + f"; {unused}" * (reading.layout != "auto"), LeftAside())


def _read_folder(path: Path, reading: Reading) -> Found:
    """Returns the images of a folder by the names of its folders, else by tables in it."""
    try:
        tree = read_tree(path, reading)
    except NoLabelsError as error:
        listings = find_listings(path, reading)
        if listings.columns and reading.layout == "auto":
            return _listed(path, listings, reading)
        reason = f"; no table in it lists images: {listings.reason}" if listings.reason else ""
        raise UserError(f"{error}{reason}") from None
    unused = "; data.columns says nothing of it" if reading.columns else ""
    return Found(tree.table, tree.sentence() + unused, tree.aside)


def _listed(path: Path, listings: Listings, reading: Reading) -> Found:
    found = read_listed(path, listings, reading)
    return Found(found.table, listed.sentence(found.table, path), found.aside)
