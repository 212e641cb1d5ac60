"""Defines what the files of a packed store hold."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.data.images import LABEL_FOLDERS, SPLITS
from jaxdet.errors import UserError
from jaxdet.workdir.files import LARGEST_LISTING, check_schema, read_json, within
from jaxdet.workdir.identity import json_sha256

SCHEMA_VERSION = 1
KIND = "jaxdet-store"

# One record an image, in the order of the folder source. A raw image is u8 [height, width, 3] in
# BGR; of any other, `size` bytes are the file, and height and width are those of its header (0
# where it has none that can be read).
RECORD = np.dtype(
    [
        ("offset", "<u8"),  # of the first byte in its shard
        ("size", "<u8"),  # bytes
        ("name", "<u8"),  # offset of the file's name in names.bin
        ("height", "<u4"),
        ("width", "<u4"),
        ("crc", "<u4"),  # zlib.crc32 of the bytes
        ("shard", "<u4"),
        ("folder", "<u4"),  # place in `folders` of store.json
        ("name_size", "<u2"),  # bytes, UTF-8 with surrogate escapes
        ("raw", "u1"),
    ]
)
# What a store of a table may keep of each image beside that, i64 [N] in a file of this name: its
# group, -1 for none; the place of its generator in `generators` of store.json; 1 where the name is
# that of the file behind the number of its row, else 0.
COLUMNS = ("groups", "generators", "numbered")


@dataclasses.dataclass(frozen=True)
class StorePaths:
    """Gives the places of a store's files; raises UserError where a link leads out of it."""

    path: Path

    @property
    def about(self) -> Path:
        """Returns the path of the JSON file that describes the store; it is written last."""
        return within(self.path, "store.json")

    @property
    def index(self) -> Path:
        """Returns the path of the index, RECORD [N]."""
        return within(self.path, "index.npy")

    @property
    def names(self) -> Path:
        """Returns the path of the names of the packed files, stored one after the other."""
        return within(self.path, "names.bin")

    def column(self, name: str) -> Path:
        """Returns the path of one of COLUMNS, which need not be there."""
        return within(self.path, f"{name}.npy")

    def shard(self, number: int) -> Path:
        """Returns the path of a shard: the bytes of images, one after the other."""
        return within(self.path, "shards", f"{number:05d}.bin")


def is_store(path: Path) -> bool:
    """Returns whether the folder is a packed store."""
    return StorePaths(path).about.is_file()


class DamagedStoreError(UserError):
    """Signals that the files of a store are not those that were packed."""


def read_about(paths: StorePaths) -> dict[str, Any]:
    """Reads and checks `store.json`.

    Raises:
      DamagedStoreError: where it is not as it was written.
      UserError: where it is of another kind or a newer schema.
    """
    about = read_json(paths.about, most=LARGEST_LISTING)
    if not isinstance(about, dict) or about.get("kind") != KIND:
        raise UserError(f"{paths.about}: does not describe a packed store")
    version = about.get("schema_version")
    check_schema(paths.about, version, known=SCHEMA_VERSION, advice=", or pack it again")
    # The digest is for damage; whoever makes a store by hand gives it one.
    if about.pop("digest", None) != json_sha256(about) or not _is_whole(about):
        raise DamagedStoreError(f"{paths.about}: is not as it was written; pack the store again")
    return about


def _is_whole(about: Mapping[str, Any]) -> bool:
    """Returns whether everything that readers ask for is there, of its type."""
    folders, shards, digests = (about.get(name) for name in ("folders", "shards", "sha256"))
    losses, generators = about.get("losses", []), about.get("generators", [])
    return (
        isinstance(about.get("source"), str)
        and isinstance(about.get("left_aside", ""), str)
        and isinstance(losses, list)
        and all(isinstance(one, list) and list(map(type, one)) == [str, str] for one in losses)
        and isinstance(generators, list)
        and all(isinstance(one, str) for one in generators)
        and isinstance(folders, list)
        and all(isinstance(one, str) and is_label_path(one) for one in folders)
        and isinstance(shards, list)
        and all(type(size) is int and size >= 0 for size in shards)
        and isinstance(digests, dict)
        and _names_sets(about.get("shared", {}), folders)
    )


def _names_sets(shared: Any, folders: Sequence[str]) -> bool:
    """Returns whether sets that share real images, and these, are sets of the store."""
    sets = {"/".join(path.split("/")[:2]) for path in folders if path.startswith("test/")}
    return isinstance(shared, dict) and all(
        isinstance(own, list) and all(isinstance(one, str) and one in sets for one in [name, *own])
        for name, own in shared.items()
    )


def is_label_path(path: str) -> bool:
    """Returns whether a path is `<split>/.../<label>` and nothing else.

    Such a path may name files of a run.
    """
    first, *between, last = path.split("/") if "/" in path else ("", "")
    odd = any(step in ("", ".", "..") or "\0" in step for step in between)
    return first in SPLITS and last in LABEL_FOLDERS and not odd
