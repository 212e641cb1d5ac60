"""Reads one address over HTTP from any place on, and knows which failures deserve another try.

Standard library only: what is needed of HTTP is one header out and four back (RFC 9110,
sections 13 and 14).
"""

import contextlib
import dataclasses
import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from jaxdet.errors import RunFailedError
from jaxdet.ranges import parse_number, parse_whole

_CHUNK = 2**18
_LONGEST_WAIT = 120.0  # seconds, also where a server asks for more
# Busy or broken for the moment; RFC 9110 section 15, RFC 6585, RFC 8470.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 520, 521, 522, 523, 524})


class TransientError(Exception):
    """Signals a failure that another try may mend.

    `wait` is how long the server asks to wait, seconds.
    """

    def __init__(self, message: str, *, wait: float = 0.0):
        """Takes what the user reads in the end, should no try mend it."""
        super().__init__(message)
        self.wait = wait


class RangeRefusedError(Exception):
    """Signals that the server has nothing from that place on (416)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patience:
    """Describes how long to bear with a server.

    Attributes:
      tries: in a row without one new byte before giving up.
      backoff: seconds before the second try; doubled for each one after.
      timeout: seconds without an answer that count as a failure.
    """

    tries: int = 8
    backoff: float = 1.0
    timeout: float = 60.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Version:
    """Describes which file an address gave, as far as the server reports it; size in bytes."""

    url: str
    size: int
    etag: str | None = None
    last_modified: str | None = None

    @property
    def validator(self) -> str | None:
        """Returns what If-Range may carry: a strong ETag, else the date (RFC 9110, 13.1.5)."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified

    def may_be(self, other: "Version") -> bool:
        """Returns whether nothing sets two versions apart.

        A partial answer may leave out the date.
        """
        pairs = ((self.etag, other.etag), (self.last_modified, other.last_modified))
        return self.size == other.size and all(a == b for a, b in pairs if a and b)


@dataclasses.dataclass(frozen=True)
class Answer:
    """Holds an open answer: its body begins at byte `start` of the file `version`."""

    body: Any
    start: int
    version: Version

    def chunks(self) -> Iterator[bytes]:
        """Yields the body in pieces; ends where the connection ends.

        Raises:
          TransientError: where the connection breaks.
        """
        while chunk := self._read():
            yield chunk

    def _read(self) -> bytes:
        with _network(self.version.url):
            # read1 gives what has come: a slow line is written as it flows.
            chunk: bytes = self.body.read1(_CHUNK)
            return chunk


class Tries:
    """Counts failures in a row, waits between them, gives up after the last."""

    def __init__(self, patience: Patience, say: Callable[[str], None]):
        """Takes the patience with a server, and `say`, which shows a line about each failure."""
        self._patience, self._say, self._failed = patience, say, 0

    def progressed(self) -> None:
        """Forgives the failures so far, since there are new bytes."""
        self._failed = 0

    def failed(self, error: TransientError) -> None:
        """Waits before another try.

        Raises:
          RunFailedError: where it was the last.
        """
        self._failed += 1
        if self._failed >= self._patience.tries:
            raise RunFailedError(
                f"{error}; gave up after {self._failed} tries; "
                "start the same command again to continue"
            )
        doubled = self._patience.backoff * 2 ** (self._failed - 1)
        wait = min(max(doubled, error.wait), _LONGEST_WAIT)
        self._say(f"{error}; trying again in {wait:.3g} s")
        time.sleep(wait)


@contextlib.contextmanager
def open_at(
    url: str,
    start: int = 0,
    stop: int | None = None,
    *,
    timeout: float,
    only: Version | None = None,
    ranged: bool = False,
) -> Iterator[Answer]:
    """Opens the bytes of a file from `start` up to `stop`, and closes the connection at the end.

    It is all of the file where the server will not part it.

    Args:
      url: http or https.
      start: first byte.
      stop: behind the last byte; None for the end of the file.
      timeout: seconds without an answer.
      only: the version wanted; where the server has another one, it sends that as a whole.
      ranged: ask for a range even from byte 0.

    Raises:
      TransientError: where another try may help.
      RangeRefusedError: where the file ends before `start`.
      RunFailedError: where no other try will help.
    """
    headers = {"Accept-Encoding": "identity", "User-Agent": "jaxdet"}
    if start or ranged:
        headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        if only and only.validator:
            headers["If-Range"] = only.validator
    with _network(url):
        body = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    with body:
        first, size = _place(url, body, start, stop)
        yield Answer(body, first, _version(url, size, body.headers))


def _place(url: str, body: Any, start: int, stop: int | None) -> tuple[int, int]:
    """Returns the first byte of an answer and the file's whole size, by the headers."""
    kind = body.headers.get_content_type()
    if kind == "text/html":
        raise RunFailedError(f"{url}: answers with a web page instead of the file")
    if body.status == 206:
        match = re.fullmatch(
            r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", body.headers.get("Content-Range", "").strip()
        )
        beyond = match and stop is not None and int(match[2]) >= stop
        if not match or int(match[1]) != start or beyond:
            raise TransientError(f"{url}: answered with another range than asked for")
        return start, int(match[3])
    length = parse_whole(body.headers.get("Content-Length", ""), "[0, 1e18]")
    if length is None:
        raise RunFailedError(f"{url}: the server does not tell the size; use another --base-url")
    return 0, length


def _version(url: str, size: int, headers: Any) -> Version:
    return Version(
        url=url, size=size, etag=headers.get("ETag"), last_modified=headers.get("Last-Modified")
    )


@contextlib.contextmanager
def _network(url: str) -> Iterator[None]:
    """Sorts what the network raises into passing and lasting."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        raise _sorted(url, error) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise RunFailedError(f"{url}: {reason}") from None
        raise TransientError(f"{url}: {reason or type(error).__name__}") from None


def _sorted(url: str, error: urllib.error.HTTPError) -> Exception:
    if error.code == 416:
        return RangeRefusedError(url)
    reason = f"{url}: HTTP {error.code} {error.reason}"
    if error.code in _PASSING:
        asked = parse_number(error.headers.get("Retry-After", ""), "[0, 86400]")
        return TransientError(reason, wait=asked or 0.0)
    return RunFailedError(f"{reason}; see --base-url for a mirror")
