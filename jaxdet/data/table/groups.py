"""Reads images out of Parquet files a row group at a time; the last groups stay in memory.

Bounded by bytes: what is dropped is given back to the system. Every process has a memory of its
own, which its threads share.
"""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.data.images import NoImageError
from jaxdet.data.table.cells import NOT_FETCHED, is_url
from jaxdet.data.table.parquet import free_memory, read_group
from jaxdet.data.table.rows import WHOLE, Table

# Bytes of the groups that stay: two windows of `order.block_order`, and what workers run ahead.
MOST_BYTES = 320 * 2**20

_Key = tuple[Path, int, str]


class Groups:
    """Keeps the row groups that were read last, up to so many bytes, but always the newest.

    Attributes:
      held: bytes of those that it keeps.
    """

    def __init__(self, most: int):
        """Begins with none.

        Args:
          most: bytes.
        """
        self.most, self.held = most, 0
        self._groups: OrderedDict[_Key, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: Path, group: int, column: str) -> Any:
        """Returns the images of a row group.

        Raises:
          NoImageError: where it is damaged.
        """
        key = (path, group, column)
        # One reader at a time: another thread most likely wants the same group.
        with self._lock:
            if key in self._groups:
                self._groups.move_to_end(key)
                return self._groups[key]
            self._drop_to(self.most // 2 if self.held > self.most else self.most)
            images = read_group(path, group, column)
            self._groups[key] = images
            self.held += images.nbytes
            return images

    def _drop_to(self, most: int) -> None:
        dropped = False
        while self.held > most:
            _, images = self._groups.popitem(last=False)
            self.held -= images.nbytes
            dropped = True
        if dropped:
            free_memory()


_GROUPS = Groups(MOST_BYTES)


def find_image(table: Table, row: int) -> bytes | Path:
    """Returns the image of a row: its bytes in a Parquet file, or the path of its file.

    Raises:
      NoImageError: where the row has no image, or its row group is damaged.
    """
    name, number = table.files[table.file[row]], int(table.row[row])
    if not name:
        raise NoImageError("no image in this row of the table")
    path = table.base / name
    if number == WHOLE:
        return path
    groups = table.groups.get(name)
    if groups is None or number >= groups.ends[-1]:
        raise NoImageError("the index names a row that is not there")
    group = int(np.searchsorted(groups.ends, number, side="right"))
    first = int(groups.ends[group - 1]) if group else 0
    image = _GROUPS.get(path, group, table.image)[number - first].as_py()
    if isinstance(image, dict):
        named = image.get("path")
        if image["bytes"] is None and named:
            if is_url(named):
                raise NoImageError(NOT_FETCHED)
            return path.parent / named
        image = image["bytes"]
    if not image:
        raise NoImageError("no image in this row of the table")
    return bytes(image)
