"""Keeps what `fetch` knows of a root, in plain files under `ROOT/fetched/`.

hashes.json      size and SHA-256 of each file downloaded whole: checked against the catalogue,
                 or, where the catalogue has none, held to from the first download on
<set>.sha256     SHA-256 of each image unpacked, as `sha256sum --check` reads it
<set>.json       written last: which folders of the set are unpacked
*.part, *.part.json   downloads under way; archives until they are unpacked
"""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxdet.errors import RunFailedError, UserError
from jaxdet.fetch.catalog import Address
from jaxdet.workdir.drafts import clear_leftovers
from jaxdet.workdir.files import is_step, read_json, read_text, within, write_bytes, write_json
from jaxdet.workdir.lock import claimed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finished:
    """Describes what an earlier start unpacked.

    That is folders of the split, and whether archives were to stay.
    """

    folders: tuple[str, ...]
    keep_archives: bool


class Record:
    """Reads and writes `ROOT/fetched/`."""

    def __init__(self, root: Path):
        """Touches nothing."""
        self.root = root
        self.folder = root / "fetched"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folder and keeps other fetches out of it; a killed one leaves no lock.

        Raises:
          UserError: where another is at work, or the folder cannot be made.
        """
        with claimed(self.root, lock=self.folder / "lock", instead="--root"):
            clear_leftovers(self.folder)
            yield

    def known_hash(self, name: str) -> str | None:
        """Returns the SHA-256 under which a file was accepted before; None where it was not."""
        entry = self._hashes().get(name)
        return entry["sha256"] if entry else None

    def known_size(self, name: str) -> int | None:
        """Returns the size of a file that was accepted before, bytes; None where it was not."""
        entry = self._hashes().get(name)
        return entry["size"] if entry else None

    def check_hash(self, address: Address, digest: str) -> None:
        """Does nothing where the digest is the catalogue's and that of an earlier download.

        Raises:
          RunFailedError: where it is another.
        """
        if address.sha256 and not digest.startswith(address.sha256):
            raise RunFailedError(
                f"{address.name}: SHA-256 is {digest[:12]}..., the catalogue says "
                f"{address.sha256[:12]}...; not kept"
            )
        known = self.known_hash(address.name)
        if known not in (None, digest):
            raise RunFailedError(
                f"{address.name}: SHA-256 is {digest[:12]}..., an earlier download had "
                f"{known[:12]}...; not kept (to accept another, remove its entry from "
                f"{self._hashes_path})"
            )

    def keep_hash(self, address: Address, *, digest: str, size: int) -> None:
        """Remembers a file that was accepted."""
        entry = {
            "sha256": digest,
            "size": size,
            "url": address.url,
            "known_from": "catalogue" if address.sha256 else "first download",
        }
        write_json(self._hashes_path, {**self._hashes(), address.name: entry})

    def forget_hash(self, name: str) -> None:
        """Drops a file that proved damaged after all."""
        write_json(self._hashes_path, {k: v for k, v in self._hashes().items() if k != name})

    def finished(self, name: str) -> Finished | None:
        """Returns what is unpacked of a set; None where no start came to its end."""
        path = within(self.folder, f"{name}.json")
        if not path.exists():
            return None
        raw = read_json(path)
        try:
            folders = tuple(raw["folders"])
            if not all(map(is_step, folders)):
                raise TypeError(folders)
            return Finished(folders=folders, keep_archives=bool(raw["keep_archives"]))
        except (KeyError, TypeError):
            raise UserError(f"{path}: not a record of fetch; move it away") from None

    def keep_finished(self, name: str, finished: Finished) -> None:
        """Writes what is unpacked, after everything else."""
        write_json(self.folder / f"{name}.json", finished)

    def manifest(self, name: str) -> dict[str, str]:
        """Returns the SHA-256 by path below the root, of a set; empty where there is none."""
        return read_manifest(within(self.folder, f"{name}.sha256"))

    def keep_manifest(self, name: str, digests: Mapping[str, str]) -> None:
        """Writes the manifest of a set, sorted by path."""
        write_bytes(self.folder / f"{name}.sha256", "".join(_lines(digests)).encode())

    @property
    def _hashes_path(self) -> Path:
        return within(self.folder, "hashes.json")

    def _hashes(self) -> dict[str, Any]:
        if not self._hashes_path.exists():
            return {}
        raw = read_json(self._hashes_path)
        if not isinstance(raw, dict) or not all(
            isinstance(entry, dict)
            and isinstance(entry.get("sha256"), str)
            and isinstance(entry.get("size"), int)
            for entry in raw.values()
        ):
            raise UserError(f"{self._hashes_path}: not a record of fetch; move it away")
        return raw


def read_manifest(path: Path) -> dict[str, str]:
    """Returns the SHA-256 by path; empty where the file is missing.

    Raises:
      UserError: where it is no manifest.
    """
    if not path.exists():
        return {}
    try:
        return dict(_entries(read_text(path).removesuffix("\n").split("\n")))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a list of SHA-256 ({error}); move it away") from None


def _entries(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        digest, _, name = line.partition("  ")
        steps = name.split("/")
        if len(digest) != 64 or len(steps) < 2 or not all(map(is_step, steps)):
            raise ValueError(f"a line {line!r:.80}")
        yield name, digest


def _lines(digests: Mapping[str, str]) -> Iterator[str]:
    return (f"{digests[name]}  {name}\n" for name in sorted(digests))
