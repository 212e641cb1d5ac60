"""Makes a folder that appears complete or not at all, and never in the place of another."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxdet.errors import UserError, writing_to
from jaxdet.workdir.drafts import clear_leftovers, publish
from jaxdet.workdir.files import is_empty_folder, read_json, within, write_json
from jaxdet.workdir.identity import differences
from jaxdet.workdir.lock import claimed

RECORD = "synth.json"  # also the mark by which a folder is known as ours


def read_record(root: Path) -> dict[str, Any] | None:
    """Returns the record in a folder; None where there is no folder yet or an empty one.

    Raises:
        UserError: something else is there already.
    """
    if not os.path.lexists(root) or is_empty_folder(root):
        return None
    try:
        record = read_json(within(root, RECORD))
    except UserError:
        record = None
    if not isinstance(record, dict):
        raise UserError(f"{root} holds something else already; choose another --root")
    return record


def write_record(folder: Path, *, record: Mapping[str, Any]) -> None:
    """Puts the record into a folder, whole or not at all."""
    write_json(folder / RECORD, record)


@contextlib.contextmanager
def making(root: Path, *, asked: Mapping[str, Any] | None = None) -> Iterator[Path]:
    """Makes a folder beside `root` and renames it to `root` unless the body raises an exception.

    What a killed run left there is replaced; or kept, to go on from, where it was begun with the
    same `asked`, or was finished and lacks only its name. One that is still running is not
    disturbed.

    Raises:
        UserError: something else is there, or work that was begun with another `asked`.
    """
    partial = root.parent / f".{root.name}.making"
    begun = {"status": "making", **(asked or {})}
    with claimed(root, instead="--root"), writing_to(root):
        partial.mkdir(parents=True, exist_ok=True)
        clear_leftovers(partial, below=True)
        left = read_record(partial)  # raises for a folder that is not ours
        if asked is None or not _can_go_on(left, asked=asked, partial=partial):
            _empty(partial)
            write_record(partial, record=begun)
        yield partial
        publish(partial, root)  # fails, and harms nothing, if the place was taken meanwhile


def is_finished(folder: Path) -> bool:
    """Returns whether the record in a folder states that nothing is missing."""
    record = read_record(folder)
    return record is not None and record.get("status") == "finished"


def _can_go_on(left: Mapping[str, Any] | None, *, asked: Mapping[str, Any], partial: Path) -> bool:
    if left is None or "settings" not in left:  # the built-in dataset keeps nothing to go on from
        return False
    if other := setting_changes(left, asked):
        raise UserError(
            f"{partial} holds the beginning of a dataset with other settings or photographs "
            f"({'; '.join(other)}): give those of then again to go on with it, or choose another "
            "--root, or remove it"
        )
    return True


def setting_changes(record: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Returns what of a dataset is not as asked: options `name: old -> new`, the rest by name."""
    then, now = _as_options(record.get("settings")), _as_options(asked["settings"])
    others = [key for key in asked if key != "settings" and record.get(key) != asked[key]]
    return differences(then, now) + others


def _as_options(settings: Any) -> dict[str, Any]:
    """Returns settings by the spelling of their options; none where they are no settings."""
    named = settings if isinstance(settings, dict) else {}
    return {name.replace("_", "-"): value for name, value in named.items()}


def _empty(folder: Path) -> None:
    """Removes all but the record, by which the folder is known again after a kill in between."""
    for left in folder.iterdir():
        if left.name == RECORD:
            continue
        shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
