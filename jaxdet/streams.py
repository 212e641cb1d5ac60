"""Writes text for people to stdout and stderr, which may be closed, full, gone, or ASCII alone.

Names of files, tensors, sets and options come from anybody: `printable` leaves nothing in them that
moves a cursor, turns the direction of text, or begins a line. Files for machines (JSON, Parquet)
have names exactly.
"""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

_NAMES = ("standard input", "standard output", "standard error")


def printable(text: str) -> str:
    """Returns the text with a mark for each sign that would steer a terminal or break UTF-8."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


class _Closed(io.StringIO):
    """Stands for a stdout that was closed before the process began."""


def some_names(names: Sequence[str], *, most: int = 6) -> str:
    """Returns the first of some names as text that may be printed, and how many more there are."""
    shown = [printable(name or ".")[:80] for name in names[:most]]
    return ", ".join([*shown, f"and {len(names) - most:,} more"] if names[most:] else shown)


def open_streams() -> None:
    """Makes stdout and stderr usable: closed ones lead nowhere, old encodings lose single letters.

    A closed descriptor would be that of the next file that is opened, and what libraries write to
    stderr would end up in a checkpoint. What is written to a closed stdout is kept for `flush` to
    complain of, when the work is done.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest one that is free, which is this one; child processes have it, too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None and name == "stdout":
            sys.stdout = _Closed()
        elif stream is None:
            setattr(sys, name, open(descriptor, "w", errors="replace", closefd=False))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def show(text: str, file: TextIO | None = None) -> None:
    """Writes text whose names are printable, and the end of a line, to stdout or a file.

    Raises:
      BrokenPipeError: where nobody reads on.
      OSError: where it cannot be written, naming the stream.
    """
    file = sys.stdout if file is None else file
    with _naming(file):
        print(text, file=file, flush=True)


def answer(line: str) -> None:
    """Writes one line of what a command answers to stdout, made printable; raises as `show`."""
    show(printable(line))


def tell(line: str) -> None:
    """Writes one line to stderr, made printable; a log that is full ends no work.

    Raises:
      BrokenPipeError: where nobody reads on.
    """
    try:
        print(printable(line.rstrip()), file=sys.stderr, flush=True)
    except BrokenPipeError:
        raise
    except OSError:
        pass


def flush() -> None:
    """Brings out what is still to be written, before Python does so with complaints of its own.

    Raises:
      BrokenPipeError: where nobody reads stdout on.
      OSError: where stdout cannot be written, naming it.
    """
    try:
        sys.stderr.flush()
    except OSError:
        discard(sys.stderr)
    with _naming(sys.stdout):
        sys.stdout.flush()
        if isinstance(sys.stdout, _Closed) and sys.stdout.getvalue():
            raise OSError(errno.EBADF, "is closed, and the results that go there were not written")


def discard(stream: TextIO) -> None:
    """Sends nowhere what a stream still holds and is given from now on."""
    null = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError, ValueError):
        os.dup2(null, stream.fileno())
    os.close(null)


@contextlib.contextmanager
def _naming(stream: TextIO) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        discard(stream)
        name = _NAMES[1] if stream is sys.stdout else _NAMES[2]
        raise OSError(error.errno, error.strerror, name) from None
