"""One trainer a run folder: a lock that goes with its process, however that ends.

The kernel holds it (flock), the file only says who: it may stay when the process is gone. Between
machines it holds on network file systems that pass flock on: NFS (Linux clients, as a byte-range
lock of the server), Lustre and GPFS where mounted so; where there is none, that is said and the
work goes on.
"""

import contextlib
import datetime
import errno
import fcntl
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxdet.errors import UserError
from jaxdet.files import parse_json
from jaxdet.progress import say

_HELD = (errno.EWOULDBLOCK, errno.EACCES)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock until the body ends; the first of several processes does so for all.

    Raises:
      UserError: where another process holds it.
    """
    with contextlib.ExitStack() as stack:
        refusal = None
        if jax.process_index() == 0:
            try:
                stack.enter_context(_holding(path))
            except UserError as error:
                refusal = error
        if _on_any_process(refusal is not None):
            raise refusal or UserError(f"{path.parent}: its first process was refused")
        yield


def refuse_if_locked(path: Path) -> None:
    """Tells a second trainer early, before it loads anything.

    Raises:
      UserError: where another process holds the lock.
    """
    if path.exists() and jax.process_index() == 0:
        with _holding(path):
            pass


@contextlib.contextmanager
def _holding(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not inheritable: a child that outlives this process would keep the lock.
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(file, path)
        _write_holder(file)
        yield
    finally:
        os.close(file)


def _take(file: int, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            raise UserError(
                f"{path.parent}: another process works on this run ({_holder(file)}); wait for it "
                "or end it, or give another --workdir"
            ) from None
        say(f"{path}: cannot be locked ({error.strerror}); start no second trainer on this folder")


def _write_holder(file: int) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    holder = {"pid": os.getpid(), "host": platform.node(), "started": now}
    os.ftruncate(file, 0)
    os.pwrite(file, (json.dumps(holder) + "\n").encode(), 0)


def _holder(file: int) -> str:
    try:
        holder: dict[str, Any] = parse_json(os.pread(file, 4096, 0).decode())
        return f"pid {holder['pid']} on {holder['host']}, since {holder['started']}"
    except (ValueError, KeyError, TypeError):
        return "which has just begun"


def _on_any_process(flag: bool) -> bool:
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.array([flag]))))
