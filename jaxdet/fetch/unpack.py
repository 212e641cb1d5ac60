"""Writes members of an archive as files: complete or not there, nothing ever overwritten."""

import hashlib
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

from jaxdet.errors import DISK_ADVICE, RunFailedError, UserError
from jaxdet.fetch.archive import Archive, Member
from jaxdet.fetch.members import Placed
from jaxdet.progress import ProgressLine, size_text
from jaxdet.workdir.disk_space import free_bytes
from jaxdet.workdir.drafts import clear_leftovers, replacing
from jaxdet.workdir.files import open_regular

_CHUNK = 2**20


def unpack(
    archive: Archive, placed: Sequence[Placed], root: Path, *, meter: ProgressLine
) -> dict[str, str]:
    """Unpacks files below a root; returns the SHA-256 of each by its path, once all are there.

    A file that is there already is read instead of written.

    Raises:
      UserError: where another file lies under one of the names.
      DamagedError: where the archive's bytes are not what it says.
      RunFailedError: where the disk is too small.
    """
    absent = [one for one in placed if not _holds_bytes(root / one.path)]
    require_space(root, sum(one.member.size for one in absent))
    archive.expect([one.member for one in absent])
    for folder in {(root / one.path).parent for one in placed}:
        clear_leftovers(folder)
    digests = {}
    for one in placed:
        target = root / one.path
        if _holds_bytes(target):
            digests[one.path] = _digest_of_same(target, one.member)
        else:
            digests[one.path] = _write(archive, one.member, target)
        meter.advance(one.member.size)
    # One wait for the disk instead of one a file. After a power cut before it, files may be empty:
    # those are written again.
    os.sync()
    return digests


def require_space(folder: Path, needed: int) -> None:
    """Raises RunFailedError unless the disk has space for so many bytes."""
    free = free_bytes(folder)
    if needed > free:
        raise RunFailedError(
            f"{folder}: {size_text(needed)} are needed, {size_text(free)} are free; {DISK_ADVICE}"
        )


def _holds_bytes(path: Path) -> bool:
    """Returns whether something lies at a path that could be somebody's."""
    return os.path.lexists(path) and (not path.is_file() or path.stat().st_size > 0)


def _digest_of_same(path: Path, member: Member) -> str:
    crc, digest = 0, hashlib.sha256()
    if path.is_file() and path.stat().st_size == member.size:
        with open_regular(path) as file:
            while chunk := file.read(_CHUNK):
                crc = zlib.crc32(chunk, crc)
                digest.update(chunk)
        if crc == member.crc:
            return digest.hexdigest()
    raise UserError(
        f"{path}: is there already and differs from the archive's; nothing is overwritten, "
        "move it away"
    )


def _write(archive: Archive, member: Member, target: Path) -> str:
    digest = hashlib.sha256()
    with replacing(target, sync=False) as file:
        for chunk in archive.chunks(member):
            file.write(chunk)
            digest.update(chunk)
    return digest.hexdigest()
