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
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from jaxdet.errors import DiskFullError, UserError, is_disk_full

# Bytes of a text with a line or an entry for each image or step, and of any other JSON: far beyond
# what we write. A value takes a hundred bytes or more once it is parsed, and two in the file.
LARGEST_LISTING, _LARGEST_JSON, _BYTES_A_VALUE = 2**28, 2**24, 32
# Levels of JSON: deeper ones would exhaust the stack of whoever walks through them.
_DEEPEST = 32


def to_json(value: Any) -> str:
    """A dataclass or plain value as indented JSON text; NaN is refused."""
    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]
    return json.dumps(plain, indent=2, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Writes a dataclass or plain value, atomically."""
    write_bytes(path, to_json(value).encode())


def read_json(path: Path, *, most: int = _LARGEST_JSON) -> Any:
    """Returns the content of a JSON file of at most so many bytes.

    Raises:
      UserError: where the file is missing, too large, or is no JSON.
    """
    try:
        return parse_json(read_text(path, most=most), most=most // _BYTES_A_VALUE)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; is this the folder of a run?") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON: {error}") from None


def parse_json(text: str, *, most: int = _LARGEST_JSON // _BYTES_A_VALUE) -> Any:
    """Returns the value of a JSON text with at most so many values in it.

    Raises:
      ValueError: where it is none, has more values, or is nested deeper than anything we write.
    """
    if sum(map(text.count, "[{,")) > most:
        raise ValueError(f"more than {most} values")
    try:
        value = json.loads(text)
        shallow = _is_shallow(value)
    except RecursionError:
        shallow = False
    if not shallow:
        raise ValueError(f"nested deeper than {_DEEPEST}")
    return value


def read_text(path: Path, *, most: int = LARGEST_LISTING) -> str:
    """Returns the text of a file of at most so many bytes, UTF-8.

    Raises:
      OSError: where it cannot be opened.
      ValueError: where it is no regular file, no text, or too large.
    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise ValueError(f"more than {most} bytes")
        return file.read(most).decode()


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


def check_writable(*paths: Path | None) -> None:
    """Sees, before long work, that its results can be written; what lies there is left alone.

    An earlier result may be replaced, a file of another kind never: `--json photo.jpg` is a slip.

    Raises:
      UserError: naming the file that could not be, or must not.
    """
    for path in paths:
        if path is None:
            continue
        try:
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "is a folder")
            if path.exists() and path.suffix not in (".json", ".csv", ".html"):
                raise FileExistsError(errno.EEXIST, "is there already; give another name")
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            draft.touch()
            draft.unlink()
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None


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
