"""Maps and checks the arrays beside the shards of a packed store: anyone may have made them."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.data.regular import reason
from jaxdet.data.store.layout import RECORD, DamagedStoreError, StorePaths


def read_index(path: Path) -> np.ndarray:
    """Returns the index of a store, RECORD [N].

    Raises:
      DamagedStoreError: where it is none.
    """
    try:
        # A plain view: looking into a np.memmap makes a new one each time.
        index = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except Exception as error:  # numpy raises many kinds at damaged headers
        raise DamagedStoreError(f"{path}: not an index: {reason(error)}") from None
    if index.dtype != RECORD or index.ndim != 1:
        raise DamagedStoreError(f"{path}: not an index of this schema")
    return index


def read_column(path: Path, count: int) -> np.ndarray:
    """Returns one of COLUMNS of a store of `count` images, i64 [N].

    Raises:
      DamagedStoreError: where it is none.
    """
    try:
        column = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except Exception as error:  # as above
        raise DamagedStoreError(f"{path}: not the {path.stem}: {reason(error)}") from None
    if column.dtype != np.int64 or column.shape != (count,):
        raise DamagedStoreError(f"{path}: not the {path.stem} of this store")
    return column


def check_index(
    paths: StorePaths, index: np.ndarray, about: dict[str, Any], *, names: np.ndarray
) -> None:
    """Sees that every record points at bytes that are there: an index may be of anyone's making.

    Raises:
      DamagedStoreError: where one does not.
    """
    shards = np.array(about["shards"], np.uint64)
    inside = (index["shard"] < len(shards)) & (index["folder"] < len(about["folders"]))
    if inside.all():
        ends = shards[index["shard"]]
        inside &= (index["offset"] <= ends) & (index["size"] <= ends - index["offset"])
        letters = np.uint64(len(names))
        inside &= (index["name"] <= letters) & (index["name_size"] <= letters - index["name"])
        pixels = index["height"].astype(np.uint64) * index["width"]
        inside &= (index["raw"] == 0) | (index["size"] == 3 * pixels)
    # A name is one step of a path.
    if not inside.all() or np.isin(names, np.frombuffer(b"/\0", np.uint8)).any():
        raise DamagedStoreError(f"{paths.index}: points beyond the store; pack it again")


def mapped(path: Path) -> np.ndarray:
    """Maps the bytes of a file, u8; an empty file, which cannot be mapped, gives an empty array."""
    if not os.path.getsize(path):
        return np.zeros(0, np.uint8)
    return np.asarray(np.memmap(path, np.uint8, mode="r"))
