"""Keeps training on disk: trees of arrays and texts in msgpack, there completely or not at all."""

from pathlib import Path
from typing import Any

import jax
from flax import serialization

from jaxdet.errors import UserError
from jaxdet.workdir.files import open_regular, write_bytes


def save_snapshot(path: Path, tree: Any) -> None:
    """Writes a tree in the place of the one before."""
    write_bytes(path, serialization.to_bytes(tree))


def load_snapshot(path: Path, *, like: Any) -> Any:
    """Returns the tree in a file, built as `like` is, its arrays on the devices of those of `like`.

    None where there is no file.

    Raises:
        UserError: the file is damaged or holds another tree.
    """
    if not path.exists():
        return None
    try:
        with open_regular(path) as file:
            tree = serialization.from_bytes(like, file.read())
        # Waited for, as a batch is (runtime/mesh.py).
        return jax.block_until_ready(jax.tree.map(_placed, like, tree))
    except Exception as error:  # msgpack and flax each raise their own kinds
        raise UserError(
            f"{path}: cannot be read as a snapshot ({error}); remove it to begin anew"
        ) from None


def _placed(wanted: Any, read: Any) -> Any:
    if not isinstance(wanted, jax.Array):
        return read
    if wanted.shape != read.shape:  # flax compares names alone
        raise ValueError(f"an array {list(read.shape)} stands for {list(wanted.shape)}")
    return jax.device_put(read, wanted.sharding)
