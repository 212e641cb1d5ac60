"""Defines how jaxdet stops: the user can mend it, the run failed, or it was asked to.

`guard` turns them into the contract of every command: one line on stderr, exit status 2 for a
user's mistake, 1 for a run that failed, 75 (EX_TEMPFAIL of sysexits.h: try again) where SIGTERM or
SIGUSR1 asked for the end, 130 for Ctrl-C, 141 where nobody reads on.
"""

import argparse
import contextlib
import errno
import gc
import math
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jaxdet import streams
from jaxdet.extras import how_to_install

# Ctrl-C, what SLURM and kill send at the end, and what `sbatch --signal` sends before it.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
# Signals within so many seconds are one request: `timeout` signals its child and then the child's
# process group, and launchers pass on what the group has received already.
SECOND_AFTER = 2.0
# Letters of a message: one may hold names of any length.
_LONGEST = 5000
DISK_ADVICE = "free disk space and start the same command again"


class UserError(Exception):
    """Reports a mistake in what was asked for: names the file or option and what to do."""


class ListedError(UserError):
    """Names a mistake of several parts, each of which gets a line of its own on a terminal."""

    def __init__(self, head: str, parts: Sequence[str]):
        """Takes what holds for all parts, and the parts."""
        super().__init__(f"{head} {'; '.join(parts)}")
        self.lines = (head, *parts)


class BadArgumentError(UserError, ValueError, TypeError):
    """Reports that a Python call was given what it cannot take, and what may be given."""


class BadImageError(UserError):
    """Reports an image file that cannot be read; the message names it and gives the reason."""


class MissingLibraryError(UserError, ImportError):
    """Reports a library that is missing or cannot be loaded; the message names what to install."""


class RunFailedError(Exception):
    """Signals that a run cannot go on, through no mistake in the command (NaN loss, lost data)."""


class Stopped(BaseException):
    """Signals that the process was asked by a signal to end.

    No `except Exception` takes it for an error.

    Attributes:
      signum: the signal.
      status: what the process is to exit with.
      together: whether all processes of the run end at this place.
    """

    def __init__(self, signum: int, done: str = "", *, together: bool = False):
        """Takes the signal and what was saved before the end, if anything."""
        self.together = together
        self.signum = signal.Signals(signum)
        self.status = 130 if signum == signal.SIGINT else 75
        what = "interrupted" if signum == signal.SIGINT else f"stopped by {self.signum.name}"
        what += f", {done}" if done else ""
        super().__init__(f"{what}; start the same command again to continue")


class Parser(argparse.ArgumentParser):
    """Parses a command line and reports a mistake in one line, as every other mistake is."""

    def __init__(self, *args: Any, **options: Any):
        """Takes what ArgumentParser takes; options are never abbreviated, paths never empty."""
        super().__init__(*args, **{"allow_abbrev": False, **options})
        self.register("type", Path, _named_path)

    def print_help(self, file: Any = None) -> None:
        """Writes the help; where stdout fails that is an error, which argparse passes over."""
        streams.show(self.format_help().rstrip("\n"), file)

    def error(self, message: str) -> NoReturn:
        """Raises UserError."""
        message = _INVALID.sub(lambda found: f"{found[2]} is no {_KINDS[found[1]]}", message)
        raise UserError(f"{message} (see {self.prog} --help)")


def _named_path(text: str) -> Path:
    """Returns the path of an argument; Python would take an empty one for the working folder."""
    if not text:
        raise argparse.ArgumentTypeError("is empty; give a path")
    return Path(text)


# What argparse says of a value, by the name of a type of Python's.
_INVALID = re.compile(r"invalid (int|float) value: (.*)")
_KINDS = {"int": "whole number", "float": "number"}


class DiskFullError(RunFailedError):
    """Reports what could not be written since the disk, or the user's quota, is full."""


def is_disk_full(error: OSError) -> bool:
    """Returns whether the disk, or this user's quota, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def writing_to(path: os.PathLike[str]) -> Iterator[None]:
    """Turns what the system refuses to the body into one line that names the path.

    Raises:
      DiskFullError: where the disk is full.
      UserError: in the place of any other OSError.
      BrokenPipeError: unchanged: whoever read our output is gone, which is no fault of the path.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        name = os.fspath(path)
        if is_disk_full(error):
            raise DiskFullError(
                f"{name}: cannot be written, the disk is full; {DISK_ADVICE}"
            ) from None
        why = error.strerror or error
        if isinstance(error, FileExistsError) and error.filename:
            why = f"{error.filename} is in the way"
        raise UserError(f"{name}: cannot be written: {why}") from None


def first_line(error: Exception) -> str:
    """Returns the first line of an error, without the details that libraries put below."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def guard_loading() -> None:
    """Makes Ctrl-C and a missing library one line while a command still loads its modules."""
    streams.open_streams()
    for signum in STOP_SIGNALS:
        signal.signal(signum, lambda signum, frame: _leave(Stopped(signum)))
    sys.excepthook = _excepthook


def _excepthook(kind: Any, error: BaseException, trace: Any) -> None:
    if line := str(error) if isinstance(error, UserError) else how_to_install(error):
        _end(line, status=2)
    sys.__excepthook__(kind, error, trace)


@contextlib.contextmanager
def guard() -> Iterator[None]:
    """Ends the process with one line and the right status where the body raises one of ours.

    A signal of STOP_SIGNALS ends the body where it is; long work asks `jaxdet.workdir.signals`
    for a better place. A second one within SECOND_AFTER does not disturb what clears up.
    """
    streams.open_streams()
    try:
        with _raising_stopped(), _flushed():
            yield
    except ListedError as error:
        _end(*error.lines, status=2)
    except UserError as error:
        _end(str(error), status=2)
    except RunFailedError as error:
        _end(str(error), status=1)
    except BrokenPipeError:
        # Whoever read our output has gone, as `| head` does; Python would complain once more.
        streams.discard(sys.stdout)
        streams.discard(sys.stderr)
        sys.exit(141)
    except OSError as error:
        _end(_refusal(error), status=1)
    except UnicodeEncodeError as error:
        advice = "rename it" if error.encoding.startswith("utf") else "set PYTHONUTF8=1"
        _end(f"{error.object[:200]}: a name that is not in {error.encoding}; {advice}", status=2)
    except Stopped as stop:
        _leave(stop)
    except KeyboardInterrupt:
        _leave(Stopped(signal.SIGINT))
    except Exception as error:
        if line := how_to_install(error):
            _end(line, status=2)
        if not is_out_of_memory(error):
            raise
        _end("there is not enough memory; give smaller batches, crops or networks", status=1)


def is_out_of_memory(error: Exception) -> bool:
    """Returns whether the machine or an accelerator has too little memory; XLA has its own word."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


@contextlib.contextmanager
def _flushed() -> Iterator[None]:
    """Brings out what the body has written, also where it ends by `sys.exit`, as --help does."""
    try:
        yield
    except SystemExit:
        streams.flush()
        raise
    streams.flush()


def _refusal(error: OSError) -> str:
    """Returns what the system refused, by the name of the file or stream."""
    name = f"{error.filename}: " if error.filename else ""
    if is_disk_full(error):
        return f"{name}the disk is full; {DISK_ADVICE}"
    gone = isinstance(error, FileNotFoundError)
    advice = "; was it, or its folder, removed while the command ran?" if gone else ""
    return f"{name}{error.strerror or error}{advice}"


@contextlib.contextmanager
def _raising_stopped() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # Python lets no other thread handle signals
        return
    before = {signum: signal.signal(signum, _raise_stopped) for signum in STOP_SIGNALS}
    yield
    # After an error the process ends: a signal then is no traceback either.
    for signum, handler in before.items():
        signal.signal(signum, handler)


def _raise_stopped(signum: int, frame: object) -> None:
    del frame
    if not repeats_request():
        raise Stopped(signum)


# When a signal last asked for the end, by time.monotonic(). Signals are the process's.
_last_request = -math.inf


def repeats_request() -> bool:
    """Returns whether a signal that is handled now belongs to the request just before it.

    Where it does not, it is taken down as a request of its own.
    """
    global _last_request
    now = time.monotonic()
    if now - _last_request < SECOND_AFTER:
        return True
    _last_request = now
    return False


def _end(message: str, *parts: str, status: int) -> NoReturn:
    lines = [" ".join(one.split()) for one in (f"error: {message}", *parts)]
    with contextlib.suppress(BrokenPipeError):
        for line in (lines[0], *(f"  {part}" for part in lines[1:])):
            short = len(line) <= _LONGEST
            streams.tell(line if short else f"{line[:_LONGEST]}\N{HORIZONTAL ELLIPSIS}")
    with contextlib.suppress(OSError):
        streams.flush()
    sys.exit(status)


def _leave(stop: Stopped) -> NoReturn:
    """Ends the process without Python's own clearing away.

    Computations may be under way in other threads, and those of XLA have been seen to fail with a
    segmentation fault while Python takes its modules apart. All that is to be kept is on disk.
    """
    for signum in STOP_SIGNALS:
        signal.signal(signum, signal.SIG_IGN)
    # What the unwound calls still hold: batches in shared memory, locks of worker processes.
    traceback.clear_frames(stop.__traceback__)
    gc.collect()
    with contextlib.suppress(OSError):
        streams.tell(str(stop))
        streams.flush()
    os._exit(stop.status)
