"""Downloads a file to its final name: resumed, checked, and never there by half."""

import dataclasses
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxdet.errors import RunFailedError, UserError
from jaxdet.fetch.catalog import Address
from jaxdet.fetch.remote import (
    Answer,
    Patience,
    RangeRefusedError,
    TransientError,
    Tries,
    Version,
    open_at,
)
from jaxdet.progress import ProgressLine
from jaxdet.workdir.drafts import publish
from jaxdet.workdir.files import check_regular, open_regular, read_json, write_json

_CHUNK = 2**20


def download(
    address: Address,
    target: Path,
    draft: Path,
    *,
    accept: Callable[[str, int], None],
    patience: Patience,
    meter: ProgressLine,
) -> None:
    """Puts a file under its name, whole, on disk and accepted.

    Args:
      address: what is asked for.
      target: its final name, where nothing lies yet.
      draft: where it grows; what a broken download left there is continued.
      accept: raises RunFailedError where this SHA-256 and size are not the wanted ones.
      patience: with the server.
      meter: told of each byte.

    Raises:
      RunFailedError: where the server gives up or gives something else. The draft then stays for
        the next start, unless it is whole and wrong.
    """
    for last in (False, True):
        with _Draft(draft, address) as file:
            digest = _fill(file, address, patience, meter)
        try:
            accept(digest, file.length)
            break
        except RunFailedError as error:
            discard(draft)
            if last:
                raise
            meter.say(f"{error}; fetching it again from the start")
    publish(draft, target)
    _notes(draft).unlink()


def discard(draft: Path) -> None:
    """Removes a draft and what is known of it."""
    _notes(draft).unlink(missing_ok=True)
    draft.unlink(missing_ok=True)


def _fill(file: "_Draft", address: Address, patience: Patience, meter: ProgressLine) -> str:
    """Receives the rest of the draft and returns its SHA-256, when all of it has come."""
    tries = Tries(patience, meter.say)
    meter.set(file.length)
    while not file.whole:
        try:
            _receive(file, address, tries, patience.timeout, meter)
        except RangeRefusedError:
            file.restart(meter)
            tries.failed(TransientError(f"{address.url}: the file became shorter"))
        except TransientError as error:
            tries.failed(error)
    return file.finish()


def _receive(
    file: "_Draft", address: Address, tries: Tries, timeout: float, meter: ProgressLine
) -> None:
    """Adds what one answer brings to the draft."""
    with open_at(address.url, file.length, timeout=timeout, only=file.version) as answer:
        file.take_up(answer, meter)
        for chunk in answer.chunks():
            if file.append(chunk, meter):
                tries.progressed()
    if not file.whole:
        raise TransientError(f"{address.url}: the connection ended early")


class _Draft:
    """Holds the growing file, its running digest, and the version that it is a part of."""

    def __init__(self, path: Path, address: Address):
        """Touches nothing before the context is entered."""
        self._path, self._address = path, address
        self.version: Version | None = None
        self.length = self._furthest = 0

    def __enter__(self) -> "_Draft":
        self.version = _read_notes(self._path, self._address)
        try:
            self._file = open_regular(self._path, "r+b" if self.version else "w+b")
        except (OSError, ValueError) as error:
            raise UserError(f"{self._path}: cannot be written: {error}; move it away") from None
        self._digest = hashlib.sha256()
        while chunk := self._file.read(_CHUNK):
            self._digest.update(chunk)
        self.length = self._furthest = self._file.tell()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if not self.length and not self.whole:
            discard(self._path)

    @property
    def whole(self) -> bool:
        """Returns whether all bytes are there."""
        return self.version is not None and self.length == self.version.size

    def take_up(self, answer: Answer, meter: ProgressLine) -> None:
        """Gets ready for the answer's bytes; from zero where they are of another version."""
        wanted = self._address.size
        if wanted not in (None, answer.version.size):
            # Another try: proxies have been seen to pass on less than there is.
            raise TransientError(
                f"{self._address.url}: offers {answer.version.size:,} bytes, the catalogue says "
                f"{wanted:,}"
            )
        if answer.start == 0 and self.length:
            self.restart(meter)
        elif self.version and not self.version.may_be(answer.version):
            # A server that knows nothing of If-Range: these bytes belong to another file.
            self.restart(meter)
            raise TransientError(f"{self._address.url}: the file changed")
        meter.expect(answer.version.size)
        if self.version is None:
            self.version = answer.version
            write_json(_notes(self._path), self.version)

    def restart(self, meter: ProgressLine) -> None:
        """Empties the draft."""
        _notes(self._path).unlink(missing_ok=True)
        self._file.seek(0)
        self._file.truncate()
        self._digest, self.length, self.version = hashlib.sha256(), 0, None
        meter.set(0)

    def append(self, chunk: bytes, meter: ProgressLine) -> bool:
        """Adds bytes and returns whether there are more now than ever.

        A server without ranges starts at zero each time: that alone is no progress.

        Raises:
          RunFailedError: where more comes than there should be.
        """
        if self.version is not None and self.length + len(chunk) > self.version.size:
            raise RunFailedError(f"{self._address.url}: sends more bytes than it says there are")
        self._file.write(chunk)
        # A kill loses nothing that has come.
        self._file.flush()
        self._digest.update(chunk)
        self.length += len(chunk)
        meter.advance(len(chunk))
        farther = self.length > self._furthest
        self._furthest = max(self._furthest, self.length)
        return farther

    def finish(self) -> str:
        """Flushes all bytes to disk and returns the digest."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._digest.hexdigest()


def _notes(draft: Path) -> Path:
    return draft.with_name(f"{draft.name}.json")


def _read_notes(draft: Path, address: Address) -> Version | None:
    """Returns the version that the draft is a part of; None where it must not be continued."""
    try:
        raw: dict[str, Any] = read_json(_notes(draft))
        version = Version(**{field.name: raw[field.name] for field in dataclasses.fields(Version)})
        is_part = check_regular(draft, follow=False) <= version.size
    except (UserError, OSError, ValueError, TypeError, KeyError):
        return None
    # Without validators nothing but a digest shows that two halves are of one file.
    is_known = bool(version.etag or version.last_modified or address.sha256)
    return version if is_known and version.url == address.url and is_part else None
