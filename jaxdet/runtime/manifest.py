"""Lists what a checkpoint consists of: size and SHA-256 of every file, under a sum of its own.

Written last, when everything else is synced: a step that has its manifest was saved to the
end, and one that agrees with it has not changed since. The sums are taken of the files as
they are read back, by the process that wrote them.
"""

import dataclasses
import itertools
import os
from pathlib import Path
from typing import Any

from jaxdet.errors import UserError
from jaxdet.results.folder import step_number
from jaxdet.workdir.drafts import sync_folder
from jaxdet.workdir.files import check_regular, read_json, sha256, within, write_json
from jaxdet.workdir.identity import json_sha256

SCHEMA_VERSION = 1
NAME = "manifest.json"

# The numbers by which checkpoints are ranked, under a name each: the larger the better, later
# ones decide between equals.
Ranks = dict[str, list[float]]


class DamagedError(Exception):
    """Signals that a checkpoint is not what was saved; the message names the file."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """Describes one saved step.

    Attributes:
      step: updates done.
      ranks: what it is ranked by; None for a step within an epoch.
      config_hash: of the run's config, "" where it is not known.
      commit: of the code that saved it, "" outside a checkout.
      files: size in bytes and SHA-256 (hex) of every file, by its path within the step's folder.
    """

    step: int
    ranks: Ranks | None
    config_hash: str
    commit: str
    files: dict[str, tuple[int, str]]

    @property
    def bytes(self) -> int:
        """Returns the size of all files, bytes."""
        return sum(size for size, _ in self.files.values())


def seal(
    folder: Path, *, step: int, ranks: Ranks | None, config_hash: str = "", commit: str = ""
) -> Manifest:
    """Syncs every file of a step's folder to the disk, then writes its manifest."""
    _sync(folder)
    files = {name: (path.stat().st_size, sha256(path)) for name, path in _files(folder)}
    manifest = Manifest(step=step, ranks=ranks, config_hash=config_hash, commit=commit, files=files)
    content = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(manifest)}
    write_json(folder / NAME, {**content, "sha256": json_sha256(content)})
    sync_folder(folder)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Returns the manifest of a step's folder.

    Raises:
      DamagedError: where it is not as it was written.
      UserError: where a newer jaxdet wrote it.
    """
    try:
        content = read_json(within(folder, NAME))
        is_intact = content.pop("sha256") == json_sha256(content)
        is_newer = content.pop("schema_version") != SCHEMA_VERSION
        manifest = None if is_newer else _from_json(content)
    except (UserError, ValueError, KeyError, TypeError, AttributeError):
        is_intact = False
    if not is_intact:
        raise DamagedError(f"{NAME} is damaged or missing")
    if manifest is None:
        raise UserError(f"{folder / NAME}: made by a newer jaxdet; use that one")
    return manifest


def verify(folder: Path) -> Manifest:
    """Checks that every file of a step's folder is as it was saved, and returns its manifest.

    Raises:
      DamagedError: naming the first file that is not.
      UserError: where a newer jaxdet wrote it.
    """
    if folder.is_symlink():
        raise DamagedError("is a link, and no folder of this run")
    manifest = read_manifest(folder)
    if step_number(folder.name) not in (None, manifest.step):
        raise DamagedError(f"{NAME} is that of step {manifest.step}")
    for name, (size, digest) in manifest.files.items():
        _check(folder, name, size, digest)
    # orbax reads what it finds, listed or not.
    for path in folder.rglob("*"):
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise DamagedError(f"{path.relative_to(folder)} is no regular file")
    return manifest


def _check(folder: Path, name: str, size: int, digest: str) -> None:
    try:
        path = within(folder, *name.split("/"))
        length = check_regular(path)
        if length != size:
            raise DamagedError(f"{name} has {length} bytes instead of {size}")
        if sha256(path) != digest:
            raise DamagedError(f"{name} is not what was saved (its SHA-256 differs)")
    except FileNotFoundError:
        raise DamagedError(f"{name} is missing") from None
    except UserError:
        raise DamagedError(f"{name} leads out of its folder") from None
    except OSError as error:
        raise DamagedError(f"{name} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DamagedError(f"{name} {error}") from None


def _from_json(content: dict[str, Any]) -> Manifest:
    files = {name: (size, digest) for name, (size, digest) in content.pop("files").items()}
    manifest = Manifest(files=files, **content)
    ranks = [] if manifest.ranks is None else manifest.ranks.values()
    numbers = [manifest.step, *(size for size, _ in files.values()), *itertools.chain(*ranks)]
    if not all(isinstance(number, int | float) for number in numbers):
        raise TypeError(numbers)
    return manifest


def _files(folder: Path) -> list[tuple[str, Path]]:
    """Returns every file but the manifest and its drafts, by its path within the folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    named = [(path.relative_to(folder).as_posix(), path) for path in paths]
    return [(name, path) for name, path in named if not name.lstrip(".").startswith(NAME)]


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
        elif path.is_file():
            _sync_file(path)
    sync_folder(folder)
    sync_folder(folder.parent)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
