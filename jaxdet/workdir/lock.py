"""Keeps a place for one process at a time, by a lock that goes with it, however that ends.

The kernel holds it (flock), the file only says who: after a kill it stays and means nothing.
Between machines it holds on network file systems that pass flock on: NFS (Linux clients, as a
byte-range lock of the server), Lustre and GPFS where mounted so. Where there is none, that is
logged and the work goes on.
"""

import contextlib
import datetime
import errno
import fcntl
import json
import os
import platform
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxdet.errors import UserError, writing_to
from jaxdet.progress import say

_LOOK_AGAIN = 0.5  # seconds between two looks at a place that is waited for


@contextlib.contextmanager
def claimed(place: Path, *, instead: str | None, lock: Path | None = None) -> Iterator[None]:
    """Keeps other processes out of a place until the body ends.

    Args:
      place: what the body works on, as messages name it.
      instead: the option or argument that names another place; None to wait for this one.
      lock: the file that is locked; `.NAME.lock` beside the place where left out.

    Raises:
      UserError: where another process holds it and is not waited for, or the file cannot be made.
    """
    if lock is None:
        lock = _beside(place)
    descriptor = _claim(place, instead, lock)
    try:
        # The lock is what counts: a full disk may leave the file empty.
        with contextlib.suppress(OSError):
            _write_holder(descriptor)
        yield
    finally:
        # Still held: whoever opened it before sees that it is no longer the file of this name.
        with contextlib.suppress(OSError):
            if _is_at(descriptor, lock):
                lock.unlink()
        os.close(descriptor)


def refuse_if_claimed(place: Path, *, instead: str, lock: Path) -> None:
    """Raises UserError where another process works in a place, and claims nothing."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return  # nobody was ever here, or whoever claims the place is told what is wrong with it
    try:
        # Shared: the processes of one run look at the same time.
        if not take(descriptor, lock, kind=fcntl.LOCK_SH) and _is_at(descriptor, lock):
            raise _taken(place, instead, _holder(descriptor))
    except OSError:
        return
    finally:
        os.close(descriptor)


def clear_lock(place: Path) -> None:
    """Removes what a killed process left of its lock beside a place, where that may be removed."""
    lock = _beside(place)
    with contextlib.suppress(OSError):
        descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode) and take(descriptor, lock):
                lock.unlink()
        finally:
            os.close(descriptor)


def take(descriptor: int, path: Path, *, kind: int = fcntl.LOCK_EX) -> bool:
    """Locks an open file or folder; returns whether it is held now, and still lies at the path.

    Raises:
      OSError: where the file system has no locks.
    """
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return _is_at(descriptor, path)


def _beside(place: Path) -> Path:
    absolute = Path(os.path.abspath(place))
    return absolute.parent / f".{absolute.name}.lock"


def _claim(place: Path, instead: str | None, lock: Path) -> int:
    is_logged = False
    while True:
        descriptor = _open(place, lock)
        try:
            if take(descriptor, lock):
                return descriptor
        except OSError as error:
            say(f"{place}: cannot be locked ({error.strerror}); start no second process on it")
            return descriptor
        holder, is_there = _holder(descriptor), _is_at(descriptor, lock)
        os.close(descriptor)
        if is_there and instead is not None:
            raise _taken(place, instead, holder)
        if is_there:
            if not is_logged:
                say(f"{place}: another process works on it ({holder}); waiting for it")
            is_logged = True
            time.sleep(_LOOK_AGAIN)


def _taken(place: Path, instead: str, holder: str) -> UserError:
    return UserError(
        f"{place}: another process works on it ({holder}); wait for it or end it, or "
        f"give another {instead}"
    )


def _open(place: Path, lock: Path) -> int:
    with writing_to(place):
        lock.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(lock) and not stat.S_ISREG(lock.lstat().st_mode):
            raise UserError(f"{lock}: is no regular file; remove it")
        # Not inheritable: a child that outlives this process would keep the lock.
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)


def _is_at(descriptor: int, path: Path) -> bool:
    """Returns whether an open file is the one of a name, and not one removed or replaced since."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    return False


def _write_holder(descriptor: int) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    holder = {"pid": os.getpid(), "host": platform.node(), "started": now}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, (json.dumps(holder) + "\n").encode(), 0)
    os.fsync(descriptor)  # the other processes of a run look for it, on other machines


def _holder(descriptor: int) -> str:
    try:
        holder: dict[str, Any] = json.loads(os.pread(descriptor, 4096, 0))
        pid, host, started = (str(holder[key])[:80] for key in ("pid", "host", "started"))
    except (ValueError, KeyError, TypeError, RecursionError):
        return "which has just begun"
    return f"pid {pid} on {host}, since {started}"
