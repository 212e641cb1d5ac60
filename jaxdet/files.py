"""Files that are there whole or not at all: bytes and JSON, written and read.

Every file is written beside its place, synced, and renamed: a crash leaves the old file
or the new one, never half of one.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from jaxdet.errors import DiskFullError, UserError, is_disk_full

# Of a text that is read whole, bytes, and of the nesting of JSON: far beyond what we write. Deeper
# ones would exhaust the stack of whoever walks through them.
_LARGEST_TEXT, _DEEPEST = 2**30, 32
# By how many bytes an earlier result is known, which has long paths and a style sheet in front.
_HEAD = 2**16
_FOREIGN = "is there already and no earlier result of this command; give another name"


def to_json(value: Any) -> str:
    """A dataclass or plain value as indented JSON text; NaN is refused."""
    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]
    return json.dumps(plain, indent=2, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Writes a dataclass or plain value, atomically."""
    write_bytes(path, to_json(value).encode())


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
      UserError: where the file is missing or is no JSON.
    """
    try:
        value = json.loads(read_text(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; is this the folder of a run?") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as JSON: {error}") from None
    if not _is_shallow(value):
        raise UserError(f"{path}: cannot be read: JSON nested deeper than {_DEEPEST}")
    return value


def read_text(path: Path) -> str:
    """The text of a file, UTF-8.

    Raises:
      OSError: where it cannot be opened.
      ValueError: where it is no regular file, no text, or larger than a gigabyte.
    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > _LARGEST_TEXT:
            raise ValueError(f"more than {_LARGEST_TEXT} bytes")
        return file.read(_LARGEST_TEXT).decode()


def open_regular(path: Path) -> BinaryIO:
    """A file opened for reading, which never waits for somebody to write.

    Raises:
      OSError: where it cannot be opened.
      ValueError: where it is a folder, a pipe, a device or a socket.
    """
    # Looked at before it is opened: that alone can rewind a tape. Not to wait is for a file that
    # becomes a pipe in between.
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(mode):
        raise ValueError("is no regular file")
    return open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def check_schema(path: Path, found: Any, *, known: int, advice: str = "") -> None:
    """Sees that a file is of a schema that can be read.

    Args:
      path: of the file.
      found: its schema version, as it says.
      known: the one that this jaxdet reads.
      advice: what else to do about a newer one.

    Raises:
      UserError: where it is of another.
    """
    if type(found) is int and found == known:
        return
    newer = type(found) is int and found > known
    by = "made by a newer jaxdet, " if newer else ""
    raise UserError(
        f"{path}: {by}schema version {found!r:.40}, this jaxdet reads {known}; "
        f"use the version of jaxdet that wrote it{advice}"
    )


def _is_shallow(value: Any) -> bool:
    """Whether plain values are nested no deeper than `_DEEPEST`."""
    level = [value]
    for _ in range(_DEEPEST):
        held = [one.values() if isinstance(one, dict) else one for one in level
                if isinstance(one, dict | list)]  # fmt: skip
        level = [one for values in held for one in values]
    return not level


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(content)


def check_writable(*outputs: tuple[Path | None, str]) -> None:
    """Sees, before long work, that its results can be written; what lies there is left alone.

    An earlier result may be replaced, any other file never: `--json=RUN/results.json` is a slip.

    Args:
      outputs: each file, None where it is not wanted, with what an earlier result begins with, a
        regular expression.

    Raises:
      UserError: naming the file that could not be, or must not.
    """
    wanted = [(path, begins) for path, begins in outputs if path is not None]
    for number, (path, begins) in enumerate(wanted):
        try:
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "is a folder")
            same = any(os.path.abspath(path) == os.path.abspath(p) for p, _ in wanted[:number])
            if same or (os.path.lexists(path) and not _begins(path, begins)):
                raise FileExistsError(errno.EEXIST, _FOREIGN if not same else "is given twice")
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            draft.touch()
            draft.unlink()
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None


def _begins(path: Path, pattern: str) -> bool:
    """Returns whether a file is empty or begins as a regular expression says."""
    try:
        with open_regular(path) as file:
            head = file.read(_HEAD)
    except ValueError:
        return False
    return not head or re.match(pattern.encode(), head) is not None


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(path: Path) -> None:
    """Brings the names in a folder to the disk: what was made or renamed there stays so."""
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes its name only when the body ends well.

    Raises:
      DiskFullError: where there is no room; what was there under the name stays.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(draft, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise DiskFullError(
            f"{path}: cannot be written, the disk is full; make room and start the same command "
            "again"
        ) from None
    finally:
        draft.unlink(missing_ok=True)
