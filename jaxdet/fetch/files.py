"""Finds the files of a set where they lie: on disk, downloaded when asked for, or at an address."""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from jaxdet.errors import RunFailedError, UserError
from jaxdet.fetch.catalog import Address
from jaxdet.fetch.choice import Options
from jaxdet.fetch.download import discard, download
from jaxdet.fetch.record import Record
from jaxdet.fetch.unpack import require_space
from jaxdet.fetch.views import LocalPart, NoRangesError, Part, RemotePart
from jaxdet.progress import ProgressLine, say
from jaxdet.workdir.files import check_regular, sha256


class Files:
    """Opens the files of one root; used as a context, closes what it opened.

    `downloaded` tells whether archives had to be brought as a whole.
    """

    def __init__(self, record: Record, options: Options, say: Callable[[str], None]):
        """Touches nothing."""
        self._record, self._options, self._say = record, options, say
        self._open = contextlib.ExitStack()
        self.downloaded = False

    def __enter__(self) -> "Files":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def place(self, address: Address) -> Path:
        """Returns where an archive lies until it is unpacked."""
        return self._record.folder / address.name

    def bring(self, address: Address, target: Path) -> None:
        """Puts a file, whole and accepted, under its name, unless it is there.

        Raises:
          UserError: where another file has that name.
          RunFailedError: where the network, the disk or the file's content failed.
        """
        if os.path.lexists(target):
            self._accept_existing(address, target)
            discard(self._draft(address))  # a kill may have come before its notes were removed
            self._say(f"{target}: already there")
            return
        draft = self._draft(address)
        there = draft.stat().st_size if draft.is_file() else 0
        require_space(self._record.folder, (address.size or 0) - there)

        def accept(digest: str, size: int) -> None:
            self._record.check_hash(address, digest)
            self._record.keep_hash(address, digest=digest, size=size)

        with ProgressLine(address.name, total=address.size, unit="bytes") as meter:
            patience = self._options.patience
            download(address, target, draft, accept=accept, patience=patience, meter=meter)
        self._say(f"{target}: fetched")

    def under_way(self, addresses: Sequence[Address]) -> bool:
        """Returns whether a download of one of the files broke off."""
        return any(self._draft(address).exists() for address in addresses)

    def local_parts(self, addresses: Sequence[Address]) -> list[Part]:
        """Returns all of the files on disk, downloaded where they were not."""
        self.downloaded = True
        for address in addresses:
            self.bring(address, self.place(address))
        return [self._local_part(address) for address in addresses]

    def ranged_parts(self, addresses: Sequence[Address]) -> list[Part] | None:
        """Returns each file where it lies; None where the server gives whole files only."""
        parts: list[Part] = []
        for address in addresses:
            if os.path.lexists(self.place(address)):
                self._accept_existing(address, self.place(address))
                parts.append(self._local_part(address))
                continue
            try:
                patience = self._options.patience
                parts.append(RemotePart(address.url, patience=patience, say=say))
            except NoRangesError:
                self._say(f"{address.url}: the server gives whole files only; downloading it")
                return None
        return parts

    def remove(self, addresses: Sequence[Address]) -> None:
        """Removes archives and unfinished downloads of them."""
        for address in addresses:
            for suffix in ("", ".part", ".part.json"):
                (self._record.folder / f"{address.name}{suffix}").unlink(missing_ok=True)

    def remove_damaged(self, addresses: Sequence[Address]) -> list[str]:
        """Removes damaged archives so that the next start fetches them anew; returns their names.

        One whose SHA-256 the catalogue knows is as published, and stays.
        """
        suspects = [one for one in addresses if one.sha256 is None and self.place(one).exists()]
        for address in suspects:
            self.place(address).unlink()
            self._record.forget_hash(address.name)
        return [address.name for address in suspects]

    def _draft(self, address: Address) -> Path:
        return self._record.folder / f"{address.name}.part"

    def _local_part(self, address: Address) -> LocalPart:
        return self._open.enter_context(contextlib.closing(LocalPart(self.place(address))))

    def _accept_existing(self, address: Address, path: Path) -> None:
        """Raises UserError unless a file that is there is the one that is wanted.

        A file that fetch put there is known by its size; any other one is read.
        """
        try:
            size = check_regular(path)
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot be read: {error}; move it away") from None
        if self._record.known_size(address.name) == size:
            return
        digest = sha256(path)
        try:
            self._record.check_hash(address, digest)
        except RunFailedError:
            raise UserError(
                f"{path}: is there already and is not {address.name} of the catalogue; nothing "
                "is overwritten, move it away"
            ) from None
        self._record.keep_hash(address, digest=digest, size=size)
