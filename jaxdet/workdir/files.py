"""Opens files by name: regular ones alone, within their folder, complete or not there; JSON.

A name may be that of a pipe, a device, or a link to elsewhere: whoever opens a file of another's
making, or in another's folder, does it here. What is written is written as a draft.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import re
import stat
from io import BufferedRandom
from pathlib import Path
from typing import Any, cast

from jaxdet.errors import UserError, writing_to
from jaxdet.workdir.drafts import replacing, try_draft

# Bytes of a text with a line or an entry for each image or step, and of any other JSON: far beyond
# what we write. A value takes a hundred bytes or more once it is parsed, and two in the file.
LARGEST_LISTING, _LARGEST_JSON, _BYTES_A_VALUE = 2**28, 2**24, 32
# Levels of JSON: deeper ones would exhaust the stack of whoever walks through them.
_DEEPEST = 32
# By how many bytes an earlier result is known, which has long paths and a style sheet in front.
_HEAD = 2**16
_FOREIGN = "is there already and no earlier result of this command; give another name"
_LONGEST_NAME = 255  # bytes, of file systems in use


def to_json(value: Any) -> str:
    """Returns a dataclass or plain value as indented JSON text; NaN is refused."""
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
        why = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{path}: cannot be read as JSON: {why}") from None


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


def open_regular(path: Path, mode: str = "rb") -> BufferedRandom:
    """Opens a file, and never waits for somebody at the other end of it.

    Args:
      path: of the file.
      mode: as `open` takes it; a link is followed for reading only.

    Raises:
      OSError: where it cannot be opened.
      ValueError: where it is a pipe, a device, a socket or, for writing, a link.
    """
    reads = mode == "rb"
    if reads or os.path.lexists(path):
        check_regular(path, follow=reads)
    # Not to wait is for a file that becomes a pipe in between.
    more = os.O_NONBLOCK | os.O_CLOEXEC | (0 if reads else os.O_NOFOLLOW)
    file = open(path, mode, opener=lambda name, flags: os.open(name, flags | more, 0o666))  # noqa: SIM115
    return cast(BufferedRandom, file)


def check_regular(path: Path, *, follow: bool = True) -> int:
    """Returns the bytes of a regular file, by its status: to open a device can rewind a tape.

    Raises:
      OSError: where there is no file, or a folder.
      ValueError: where it is a pipe, a device, a socket or, unless to `follow`, a link.
    """
    status = os.stat(path, follow_symlinks=follow)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("is no regular file")
    return status.st_size


def is_step(name: Any) -> bool:
    """Returns whether a name is that of one file or folder, not a path."""
    if not isinstance(name, str) or name in ("", ".", "..") or {"/", "\0"} & set(name):
        return False
    try:
        return len(os.fsencode(name)) <= _LONGEST_NAME
    except UnicodeEncodeError:
        return False


def within(folder: Path, *steps: str) -> Path:
    """Returns the path of a file in a folder, which no name and no link leads out of.

    Raises:
      UserError: where one does.
    """
    odd = [step for step in steps if not is_step(step)]
    if odd:
        raise UserError(f"{folder}: {odd[0]!r:.80} is no name of a file in it")
    path = folder.joinpath(*steps)
    place, top = os.path.realpath(path), os.path.realpath(folder)
    if os.path.commonpath([place, top]) != top:
        raise UserError(f"{path}: a link that leads out of {folder}; put there what it leads to")
    return path


def check_folder(path: Path, *, option: str = "", advice: str = "") -> None:
    """Raises UserError unless a path is that of a folder, telling a file from nothing at all.

    Args:
      path: as it was given.
      option: which gave it, as `--photos=`.
      advice: what else to say.
    """
    if not path.is_dir():
        what = "is a file, not a folder" if os.path.lexists(path) else "no such folder"
        raise UserError(f"{option}{path}: {what}{advice}")


def check_apart(output: Path, *sources: Path, instead: str) -> None:
    """Checks that an output does not lie in what it is made from, nor holds it, links followed.

    Args:
      output: a file or folder.
      sources: files and folders that are read.
      instead: the option or argument that names another place.

    Raises:
      UserError: naming both.
    """
    place = os.path.realpath(output)
    for source in sources:
        other = os.path.realpath(source)
        common = os.path.commonpath([place, other])
        if common in (place, other):
            how = "lies in" if common == other else "holds"
            raise UserError(
                f"{output}: {how} {source}, which is read; give another {instead}, apart from it"
            )


def is_empty_folder(path: Path) -> bool:
    """Returns whether a path is a folder, no link, with nothing in it."""
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def check_schema(path: Path, version: Any, *, known: int, advice: str = "") -> None:
    """Checks that a file is of a schema that can be read.

    Args:
      path: of the file.
      version: its schema version, as it states.
      known: the one that this jaxdet reads.
      advice: what else to do about a newer one.

    Raises:
      UserError: where it is of another.
    """
    if type(version) is int and version == known:
        return
    newer = type(version) is int and version > known
    by = "made by a newer jaxdet, " if newer else ""
    raise UserError(
        f"{path}: {by}schema version {version!r:.40}, this jaxdet reads {known}; "
        f"use the version of jaxdet that wrote it{advice}"
    )


def _is_shallow(value: Any) -> bool:
    """Returns whether plain values are nested no deeper than `_DEEPEST`."""
    level = [value]
    for _ in range(_DEEPEST):
        held = [
            one.values() if isinstance(one, dict) else one
            for one in level
            if isinstance(one, dict | list)
        ]
        level = [one for values in held for one in values]
    return not level


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file so that it is there completely or not at all."""
    with replacing(path) as file:
        file.write(content)


def append_line(path: Path, line: str) -> None:
    """Adds a line to a file, or nothing of it: half of one would spoil the next.

    Raises:
      OSError: where it cannot be written.
      ValueError: where there is something else than a regular file.
    """
    size = check_regular(path, follow=False) if os.path.lexists(path) else 0
    try:
        with open_regular(path, "ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            os.truncate(path, size)
        raise


def check_writable(*outputs: tuple[Path | None, str]) -> None:
    """Checks, before long work, that its results can be written; what lies there is left alone.

    An earlier result may be replaced, any other file never: `--json=RUN/results.json` is a slip.

    Args:
      outputs: each file, None where it is not wanted, with what an earlier result begins with, a
        regular expression.

    Raises:
      UserError: naming the file that could not be, or must not.
    """
    wanted = [(path, begins) for path, begins in outputs if path is not None]
    for number, (path, begins) in enumerate(wanted):
        with writing_to(path):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "is a folder")
            if any(os.path.abspath(path) == os.path.abspath(other) for other, _ in wanted[:number]):
                raise FileExistsError(errno.EEXIST, "is given twice")
            if os.path.lexists(path) and not _begins(path, begins):
                raise FileExistsError(errno.EEXIST, _FOREIGN)
            try_draft(path)


def _begins(path: Path, pattern: str) -> bool:
    """Returns whether a regular file is empty or begins as a regular expression says."""
    if path.is_symlink():
        return False
    try:
        with open_regular(path) as file:
            head = file.read(_HEAD)
    except ValueError:
        return False
    return not head or re.match(pattern.encode(), head) is not None


def sha256(path: Path) -> str:
    """Returns the hex digest of a file.

    Raises:
      OSError: where it cannot be read.
      ValueError: where it is no regular file.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
