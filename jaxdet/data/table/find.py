"""Finds out whether a path holds a table or a folder of another layout than the plain one."""

import os
from pathlib import Path
from typing import NamedTuple

from jaxdet.data.aside import LeftAside
from jaxdet.data.folder import is_plain
from jaxdet.data.regular import listing
from jaxdet.data.store.layout import is_store
from jaxdet.data.table.columns import Reading
from jaxdet.data.table.kind import is_table
from jaxdet.data.table.layouts import read_tree
from jaxdet.data.table.load import read_table
from jaxdet.data.table.rows import Table
from jaxdet.errors import UserError
from jaxdet.workdir.files import check_folder


class Found(NamedTuple):
    """Holds the images of a path.

    Attributes:
      table: the images.
      reading: how a folder was read, in one line; "" for a table.
      aside: what else lies in a folder.
    """

    table: Table
    reading: str
    aside: LeftAside

    def sentence(self) -> str:
        """Returns how a folder was read and what was left aside, in one line; "" for a table."""
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
            if reading.layout == "auto" and not reading.labels and is_plain(path):
                return None
            if not is_table(path):
                tree = read_tree(path, reading)
                return Found(tree.table, tree.sentence(), tree.aside)
    return Found(read_table(path, reading), "", LeftAside())
