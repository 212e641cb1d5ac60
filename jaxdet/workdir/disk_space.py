"""Checks disk space before a checkpoint is written, and waits for it where that is wanted."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from jaxdet.errors import DISK_ADVICE, DiskFullError, is_disk_full
from jaxdet.progress import say, size_text
from jaxdet.workdir import signals
from jaxdet.workdir.watchdog import stage

_WAITING = "waiting for disk space (checkpoint.on_full_disk=wait)"
# Seconds between two looks at a full disk.
_POLL = 1.0
# Beside a checkpoint: the log, results, and the folders' own blocks.
_SLACK_BYTES = 1 << 20


def with_slack(size: int) -> int:
    """Returns the bytes that must be free to write a checkpoint of about `size` bytes."""
    return size + size // 10 + _SLACK_BYTES


def free_bytes(path: Path) -> int:
    """Returns the disk space that this user may still fill, bytes; the path need not exist yet."""
    while not path.exists():
        path = path.parent
    there = os.statvfs(path)
    return there.f_bavail * there.f_frsize


def pause() -> None:
    """Lets some time pass between two looks at a full disk.

    Raises:
      Stopped: where a signal asks for the end.
    """
    signals.check()
    # A sign of life, each time: to wait for disk space is not to hang.
    with stage("waiting for disk space"):
        time.sleep(_POLL)


def wait_for(is_enough: Callable[[], bool], line: str) -> None:
    """Logs the line once and returns when there is enough, or a signal asks for the end."""
    say(f"{line}; {_WAITING}")
    while not is_enough():
        pause()
    say("there is disk space again; going on")


def keep_trying(write: Callable[[], None], path: Path, *, wait: bool) -> None:
    """Writes a small file; on a full disk waits and writes again, or ends the run.

    Raises:
      DiskFullError: where `wait` is false.
    """
    logged = False
    while True:
        try:
            return write()
        except (OSError, DiskFullError) as error:
            if isinstance(error, OSError) and not is_disk_full(error):
                raise
        line = f"{path}: cannot be written, the disk is full"
        if not wait:
            raise DiskFullError(f"{line}; {DISK_ADVICE}")
        if not logged:
            say(f"{line}; {_WAITING}")
        logged = True
        pause()


def shortage(path: Path, needed: int) -> str:
    """Describes in words what disk space is missing."""
    free = free_bytes(path)
    return f"{size_text(free)} free, {size_text(needed)} needed"


def is_full(error: BaseException | None) -> bool:
    """Returns whether a full disk is behind an error; tensorstore reports one in words alone."""
    if error is None:
        return False
    if isinstance(error, DiskFullError) or (isinstance(error, OSError) and is_disk_full(error)):
        return True
    if any(words in str(error) for words in ("No space left on device", "quota exceeded")):
        return True
    return is_full(error.__cause__ or error.__context__)
