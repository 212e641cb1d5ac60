"""Grows a store in its folder: one start at a time, from where the last one stopped."""

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jaxdet.data.store.layout import RECORD, SCHEMA_VERSION, StorePaths, is_store
from jaxdet.datasets.pack.listing import Listing
from jaxdet.errors import UserError
from jaxdet.workdir.drafts import clear_leftovers, publish, sync_folder
from jaxdet.workdir.files import (
    is_empty_folder,
    open_regular,
    read_json,
    within,
    write_bytes,
    write_json,
)


class Draft:
    """Holds the unfinished `DST.partial`: shards, their parts of the index, and what is packed."""

    def __init__(self, dst: Path, listing: Listing):
        """Makes it, or takes up one of the same files.

        Raises:
          UserError: where it was begun with other files, or something else lies there.
        """
        place = Path(os.path.abspath(dst))
        self.path = place.with_name(f"{place.name}.partial")
        self.paths = StorePaths(self.path)
        self._parts, self._plan = self.path / "parts", self.path / "plan.json"
        clear_leftovers(self.path, below=True)
        self._check(listing)
        self._parts.mkdir(exist_ok=True)
        self.paths.shard(0).parent.mkdir(exist_ok=True)
        self.done = list(self._intact_parts())

    @property
    def is_complete(self) -> bool:
        """Returns whether an earlier start wrote everything and was stopped before the renaming."""
        return is_store(self.path)

    @property
    def sizes(self) -> list[int]:
        """Returns the size in bytes of each shard that counts."""
        return [os.path.getsize(self.paths.shard(number)) for number in range(len(self.done))]

    def add(self, records: np.ndarray) -> None:
        """Lets the newest shard count."""
        # A part that outlives its shard in a power cut would be a hole.
        sync_folder(self.paths.shard(0).parent)
        write_bytes(self._part(len(self.done)), npy(records))
        sync_folder(self._parts)
        self.done.append(records)

    def become(self, dst: Path) -> None:
        """Takes the store's name."""
        shutil.rmtree(self._parts, ignore_errors=True)
        self._plan.unlink(missing_ok=True)
        sync_folder(self.path)
        publish(self.path, dst)

    def _check(self, listing: Listing) -> None:
        plan = {"source": listing.fingerprint, "schema_version": SCHEMA_VERSION}
        if not os.path.lexists(self.path) or is_empty_folder(self.path):
            write_json(self._plan, plan)
            return
        begun = read_json(self.paths.about if self.is_complete else within(self.path, "plan.json"))
        if not isinstance(begun, dict) or {key: begun.get(key) for key in plan} != plan:
            raise UserError(
                f"{self.path}: was begun with other files than {listing.root} holds now, or they "
                "changed since; remove it to pack these"
            )

    def _intact_parts(self) -> Iterator[np.ndarray]:
        """Yields parts with intact shards up to the first damaged one; the rest are redone."""
        number = 0
        while (records := self._intact_part(number)) is not None:
            yield records
            number += 1
        while self._part(number).exists():
            self._part(number).unlink()
            number += 1

    def _intact_part(self, number: int) -> np.ndarray | None:
        try:
            with open_regular(self._part(number)):
                # Mapped: what claims more than its file has is refused, and takes no memory.
                records = np.asarray(np.load(self._part(number), mmap_mode="r", allow_pickle=False))
            size = os.path.getsize(self.paths.shard(number))
        except (OSError, ValueError, EOFError):
            return None
        if records.dtype != RECORD or not len(records):
            return None
        return records if int(records["offset"][-1] + records["size"][-1]) == size else None

    def _part(self, number: int) -> Path:
        return self._parts / f"{number:05d}.npy"


def npy(array: np.ndarray) -> bytes:
    """Returns the bytes of a .npy file that holds the array."""
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return content.getvalue()
