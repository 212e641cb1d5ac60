"""A folder that appears complete or not at all, and never in the place of another."""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxdet.errors import UserError
from jaxdet.files import parse_json, read_text, write_bytes

RECORD = "synth.json"  # also the mark by which a folder is known as ours


def read_record(root: Path) -> dict[str, Any] | None:
    """The record in a folder; None where there is no folder yet or an empty one.

    Raises:
        UserError: something else is there already.
    """
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return None
    try:
        record = parse_json(read_text(root / RECORD))
    except (OSError, ValueError):
        record = None
    if not isinstance(record, dict):
        raise UserError(f"{root} holds something else already; choose another --root")
    return record


def write_record(folder: Path, *, record: Mapping[str, Any]) -> None:
    """Puts the record into a folder, whole or not at all."""
    write_bytes(folder / RECORD, (json.dumps(record, indent=1) + "\n").encode())


@contextlib.contextmanager
def answering_for(root: Path) -> Iterator[None]:
    """Says in one line that names `root` what the system refused to the body.

    Raises:
        UserError: in the place of an OSError.
        BrokenPipeError: unchanged: whoever read our lines has gone, which is no fault of `root`.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UserError(f"cannot write {root}: {error.strerror or error}") from error


@contextlib.contextmanager
def making(root: Path, *, asked: Mapping[str, Any] | None = None) -> Iterator[Path]:
    """A folder beside `root`, renamed to it where the body ends without an exception.

    What a killed run left there is replaced; or kept, to go on from, where it was begun with the
    same `asked`, or was finished and lacks only its name. One that is still running is not
    disturbed.

    Raises:
        UserError: something else is there, or work that was begun with another `asked`.
    """
    partial = root.parent / f".{root.name}.making"
    partial.mkdir(parents=True, exist_ok=True)
    begun = {"status": "making", **(asked or {})}
    with _locked(partial):
        left = read_record(partial)  # raises for a folder that is not ours
        if asked is None or not _can_go_on(left, asked=asked, partial=partial):
            _empty(partial)
            write_record(partial, record=begun)
        yield partial
        os.rename(partial, root)  # fails, and harms nothing, if the place was taken meanwhile


def is_finished(folder: Path) -> bool:
    """Whether the record in a folder says that nothing is missing."""
    record = read_record(folder)
    return record is not None and record.get("status") == "finished"


def _can_go_on(left: Mapping[str, Any] | None, *, asked: Mapping[str, Any], partial: Path) -> bool:
    if left is None or "settings" not in left:  # the built-in dataset keeps nothing to go on from
        return False
    if any(left.get(key) != value for key, value in asked.items()):
        raise UserError(
            f"{partial} holds the beginning of a dataset with other settings or photographs: "
            "give those again to go on with it, or choose another --root, or remove it"
        )
    return True


def _empty(folder: Path) -> None:
    for left in folder.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    # The lock goes with its process, however that ends, so that it never has to be cleaned up.
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UserError(f"{folder} is being made by another process; wait for it") from error
    finally:
        os.close(handle)
