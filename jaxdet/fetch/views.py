"""Reads files that lie in parts, here or far away, as one."""

import io
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Protocol

from jaxdet.errors import RunFailedError
from jaxdet.fetch.remote import (
    Patience,
    RangeRefusedError,
    TransientError,
    Tries,
    Version,
    open_at,
)
from jaxdet.workdir.files import open_regular

# The directory of the largest archive takes 71 MB; nobody should ask for more at once.
_LARGEST_READ = 2**30
# One request fetches up to this much of what will be wanted next.
_AHEAD = 16 * 2**20


class Part(Protocol):
    """Reads bytes from any place."""

    size: int

    def read_at(self, start: int, stop: int) -> bytes:
        """Returns exactly the bytes from `start` up to `stop`, both within the part."""


class LocalPart:
    """Reads a file on disk."""

    def __init__(self, path: Path):
        """Opens it."""
        self._file = open_regular(path)
        self.size = os.fstat(self._file.fileno()).st_size

    def read_at(self, start: int, stop: int) -> bytes:
        """Returns the bytes of a range; see Part."""
        content = bytearray()
        while len(content) < stop - start:
            piece = os.pread(self._file.fileno(), stop - start - len(content), start + len(content))
            if not piece:
                raise RunFailedError(f"{self._file.name}: became shorter while it was read")
            content += piece
        return bytes(content)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class DamagedError(Exception):
    """Signals that an archive is not what it claims; `parts` are the numbers of those to blame."""

    def __init__(self, message: str, *, parts: Sequence[int]):
        """Takes what the user reads."""
        super().__init__(message)
        self.parts = tuple(parts)


class NoRangesError(Exception):
    """Signals that the server gives whole files only."""


class RemotePart:
    """Reads a file behind an address by ranges."""

    _version: Version | None = None  # of the first answer; all others must be the same

    def __init__(self, url: str, *, patience: Patience, say: Callable[[str], None]):
        """Asks for one byte, to learn the size and whether ranges are served.

        Raises:
          NoRangesError: where they are not.
        """
        self._url, self._patience, self._say = url, patience, say
        self.read_at(0, 1)
        assert self._version is not None  # set by any read that came back
        self.size = self._version.size

    def read_at(self, start: int, stop: int) -> bytes:
        """Returns the bytes of a range; see Part.

        Broken connections are taken up where they broke.
        """
        content = bytearray()
        tries = Tries(self._patience, self._say)
        while len(content) < stop - start:
            try:
                for chunk in self._chunks(start + len(content), stop):
                    content += chunk
                    if len(content) > stop - start:
                        raise RunFailedError(f"{self._url}: sends more than was asked for")
                    tries.progressed()
                if len(content) < stop - start:
                    raise TransientError(f"{self._url}: the connection ended early")
            except TransientError as error:
                tries.failed(error)
        return bytes(content)

    def _chunks(self, start: int, stop: int) -> Iterator[bytes]:
        timeout, version = self._patience.timeout, self._version
        try:
            with open_at(
                self._url, start, stop, timeout=timeout, only=version, ranged=True
            ) as answer:
                self._hold_to(answer.version)
                if answer.body.status != 206:
                    raise NoRangesError(self._url)
                yield from answer.chunks()
        except RangeRefusedError:
            raise RunFailedError(f"{self._url}: ends before byte {start:,}") from None

    def _hold_to(self, version: Version) -> None:
        if self._version is not None and not self._version.may_be(version):
            raise RunFailedError(
                f"{self._url}: changed while it was read; start the same command again"
            )
        self._version = self._version or version


class JoinedFile(io.RawIOBase):
    """Reads parts laid end to end as one seekable file.

    It is read-only and holds the parts' bytes [start, start + length).
    """

    def __init__(self, parts: Sequence[Part], *, start: int = 0, length: int | None = None):
        """Joins the parts; a `length` of None reaches to the end of the last part."""
        super().__init__()
        self._parts = parts
        self._ends = list(accumulate(part.size for part in parts))
        self._start = start
        self.length = self._ends[-1] - start if length is None else length
        self._position = 0
        self._spans: list[tuple[int, int]] = []
        self._ahead, self._ahead_at = b"", 0

    def expect(self, spans: Sequence[tuple[int, int]]) -> None:
        """Announces what will be read, in order: reads within it fetch what comes next as well."""
        merged: list[tuple[int, int]] = []
        for start, stop in spans:
            if merged and merged[-1][1] == start:
                merged[-1] = (merged[-1][0], stop)
            else:
                merged.append((start, stop))
        self._spans = merged

    def parts_of(self, start: int, stop: int) -> range:
        """Returns the numbers of the parts that hold the bytes from `start` up to `stop`."""
        first = bisect_right(self._ends, self._start + start)
        return range(first, bisect_right(self._ends, self._start + stop - 1) + 1)

    def readable(self) -> bool:
        """Returns True: it can be read."""
        return True

    def seekable(self) -> bool:
        """Returns True: it can go to any place."""
        return True

    def tell(self) -> int:
        """Returns the place of the next read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to a place, as files do."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.length}[whence]
        if base + offset < 0:
            raise OSError("a place before the beginning")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Returns all the bytes asked for, up to the end of the file."""
        wanted = self.length if size is None or size < 0 else size
        stop = max(self._position, min(self._position + wanted, self.length))
        if stop - self._position > _LARGEST_READ:
            raise RunFailedError(f"the archive asks for {stop - self._position:,} bytes at once")
        content = self._take(self._position, stop)
        self._position = stop
        return content

    def _take(self, start: int, stop: int) -> bytes:
        offset = start - self._ahead_at
        if not 0 <= offset <= offset + stop - start <= len(self._ahead):
            self._ahead, self._ahead_at = self._gather(start, self._reach(start, stop)), start
            offset = 0
        return self._ahead[offset : offset + stop - start]

    def _reach(self, start: int, stop: int) -> int:
        """Returns where to read to: into the span expected here, as far as one request goes."""
        place = bisect_right(self._spans, (start, self.length)) - 1
        if place < 0:
            return stop
        return max(stop, min(self._spans[place][1], start + _AHEAD))

    def _gather(self, start: int, stop: int) -> bytes:
        """Returns the bytes of a range out of one part or several."""
        content = bytearray()
        for number in self.parts_of(start, stop) if stop > start else ():
            part = self._parts[number]
            begins = self._ends[number] - part.size - self._start
            content += part.read_at(max(start - begins, 0), min(stop - begins, part.size))
        return bytes(content)
