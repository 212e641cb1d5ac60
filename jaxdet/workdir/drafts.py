"""Gives files and folders their names when they are complete, and clears away what a kill left.

A draft lies beside its place as `.NAME.HOST.PID.RANDOM.tmp`, made by this process alone (O_EXCL)
and locked (`flock`) for as long as it is written. Host and process alone do not tell two writers
apart: in two containers on one share both may have the process id 1.
"""

import contextlib
import errno
import glob
import os
import platform
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from jaxdet.errors import UserError, writing_to
from jaxdet.workdir.lock import take

# Letters of the place's name in that of its draft: with the rest they stay below 255 bytes.
_NAME = 40
_HOST = re.sub(r"[^A-Za-z0-9-]", "-", platform.node())[:32] or "-"
_DRAFT = re.compile(r"\..*\.(?P<host>[A-Za-z0-9-]+)\.\d+\.[0-9a-f]{16}\.tmp", re.DOTALL)
# Seconds after which a draft of another host is held for abandoned.
_ABANDONED = 86_400


@contextlib.contextmanager
def replacing(path: Path, *, new: bool = False, sync: bool = True) -> Iterator[BinaryIO]:
    """Opens a binary file, itself named as its draft, that is there only when the body ends well.

    Args:
      path: the name; its folder is made where it is missing.
      new: whether what lies there, or appears there meanwhile, is kept.
      sync: whether the content is brought to the disk first; without, a power cut may leave an
        empty file under the name.

    Raises:
      DiskFullError: where the disk is full; what was there under the name stays.
      UserError: where it cannot be written, or is taken and to be `new`.
    """
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft, descriptor = _make(path, _make_file)
        try:
            with open(draft, "wb", opener=lambda *_: descriptor) as file:
                yield file
                file.flush()
                if sync:
                    os.fsync(descriptor)
                _publish_new(draft, path) if new else os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Makes a folder to fill, which takes its name only when the body ends well.

    Raises:
      DiskFullError: where the disk is full.
      UserError: where the name is taken or cannot be written.
    """
    refuse_existing(path)
    with passing_folder(path) as draft:
        yield draft
        publish(draft, path)


@contextlib.contextmanager
def passing_folder(path: Path) -> Iterator[Path]:
    """Makes a folder to fill, named as a draft of `path`, that is gone when the body ends.

    What a killed process left of another goes first.

    Raises:
      DiskFullError: where the disk is full.
      UserError: where it cannot be written.
    """
    clear_leftovers(path.parent, path.name)
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft, descriptor = _make(path, _make_folder)
        try:
            yield draft
        finally:
            os.close(descriptor)
            shutil.rmtree(draft, ignore_errors=True)


def refuse_existing(path: Path) -> None:
    """Raises UserError where a path is taken: nothing is overwritten; drafts of it are cleared."""
    clear_leftovers(path.parent, path.name)
    if os.path.lexists(path):
        raise UserError(f"{path}: exists already, and is not overwritten; give another name")


def try_draft(path: Path) -> None:
    """Makes a draft of a file and removes it: what fails fails now; earlier drafts are cleared.

    A missing folder is made when the file is written: until then its place is the nearest above.
    """
    there = next(folder for folder in path.parents if os.path.lexists(folder))
    if not there.is_dir():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(there))
    clear_leftovers(there, path.name)
    draft, descriptor = _make(there / path.name, _make_file)
    draft.unlink(missing_ok=True)
    os.close(descriptor)


def clear_leftovers(folder: Path, prefix: str = "", *, below: bool = False) -> None:
    """Removes drafts of processes that were killed; those that are being written stay.

    Args:
      folder: where they lie.
      prefix: what the names of their places begin with.
      below: whether to look into the folders below, too.
    """
    pattern = f".{glob.escape(prefix[:_NAME])}*.tmp"
    for path in list(folder.rglob(pattern) if below else folder.glob(pattern)):
        draft = _DRAFT.fullmatch(path.name)
        if draft is not None:
            with contextlib.suppress(OSError):
                _remove_abandoned(path, host=draft["host"])


def publish(draft: Path, path: Path) -> None:
    """Gives a complete file or folder its name, for good when the call returns."""
    os.rename(draft, path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Brings the names in a folder to the disk: what was made or renamed there stays so."""
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _make(path: Path, make: Callable[[Path], int]) -> tuple[Path, int]:
    """Makes a draft of a path; returns where it lies, and its descriptor, locked."""
    while True:
        ending = f"{_HOST}.{os.getpid()}.{secrets.token_hex(8)}.tmp"
        draft = path.with_name(f".{path.name[:_NAME]}.{ending}")
        descriptor = make(draft)
        try:
            held = take(descriptor, draft)
        except OSError:  # where nothing can be locked, nobody clears drafts away either
            held = True
        if held:
            return draft, descriptor
        # Taken for a leftover in the moment between.
        os.close(descriptor)


def _make_file(draft: Path) -> int:
    return os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)


def _make_folder(draft: Path) -> int:
    os.mkdir(draft)
    return os.open(draft, os.O_RDONLY | os.O_DIRECTORY)


def _publish_new(draft: Path, path: Path) -> None:
    """Gives a file its name unless that is taken."""
    try:
        os.link(draft, path)
    except OSError:
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "exists already") from None
        os.rename(draft, path)  # a file system without hard links


def _remove_abandoned(path: Path, *, host: str) -> None:
    status = path.lstat()
    # Locks of other hosts are not seen on every file system.
    if host != _HOST and time.time() - status.st_mtime < _ABANDONED:
        return
    is_folder = stat.S_ISDIR(status.st_mode)
    if not (is_folder or stat.S_ISREG(status.st_mode)):
        return
    # NFS locks only what is open for writing, and folders not at all.
    access = os.O_RDONLY if is_folder else os.O_RDWR
    descriptor = os.open(path, access | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if take(descriptor, path):
            shutil.rmtree(path) if is_folder else path.unlink()
    finally:
        os.close(descriptor)
