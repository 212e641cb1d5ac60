"""The two ways in which jaxdet stops: the user can mend it, or the run failed.

`guard` turns both into the contract of every command: one line on stderr, exit
status 2 for a user's mistake, 1 for a run that failed, 130 for Ctrl-C, 141 where nobody reads on.
"""

import argparse
import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, NoReturn


class UserError(Exception):
    """A mistake in what was asked for: names the file or option and what to do."""


class BadImageError(UserError):
    """An image file that cannot be read; the message names it and says why."""


class RunFailedError(Exception):
    """A run that cannot go on, through no mistake in the command (NaN loss, lost data)."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, as every other mistake's."""

    def __init__(self, *args: Any, **options: Any):
        """Takes what ArgumentParser takes; options are never abbreviated."""
        super().__init__(*args, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """Raises UserError."""
        raise UserError(f"{message} (see {self.prog} --help)")


class DiskFullError(RunFailedError):
    """What could not be written since the disk, or the user's share of it, is full."""


def is_disk_full(error: OSError) -> bool:
    """Whether the disk, or this user's share of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def first_line(error: Exception) -> str:
    """What an error says, without the details that libraries put below."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextlib.contextmanager
def guard() -> Iterator[None]:
    """Ends the process with one line and the right status where the body raises one of ours."""
    try:
        yield
    except UserError as error:
        _end(str(error), status=2)
    except RunFailedError as error:
        _end(str(error), status=1)
    except BrokenPipeError:
        # Whoever read our output has gone, as `| head` does; Python would complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        if not is_disk_full(error):
            raise
        name = f"{error.filename}: " if error.filename else ""
        _end(f"{name}the disk is full; make room and start the same command again", status=1)
    except KeyboardInterrupt:
        _end("interrupted; start the same command again to continue", status=130)


def _end(message: str, *, status: int) -> None:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(status)
