"""Reads files and other images to their ends, in threads, and says which cannot be."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jaxdet.config.data import Data
from jaxdet.data.ops import decode_bgr
from jaxdet.data.regular import read_image_file, reason
from jaxdet.datasets.verify.report import Finding, Kind
from jaxdet.progress import ProgressLine
from jaxdet.workdir.cores import usable_cores
from jaxdet.workdir.files import open_regular

# Images to one task: a task each would cost a gigabyte for the 720,119 of the training set.
_BATCH = 64


def inspect_all(
    look: Callable[[int], tuple[list[Finding], int]], count: int, *, total: int, unit: str
) -> list[Finding]:
    """Returns what is wrong with any of some images, in their order.

    Args:
      look: gives what is wrong with the image of a number, and how far the meter advances.
      count: number of images.
      total: where the meter ends.
      unit: of the meter.
    """
    with (
        ProgressLine("verify", total=total, unit=unit) as meter,
        ThreadPoolExecutor(usable_cores()) as pool,
    ):

        def look_at_batch(start: int) -> list[Finding]:
            findings = []
            for number in range(start, min(start + _BATCH, count)):
                found, done = look(number)
                findings += found
                meter.advance(done)
            return findings

        batches = pool.map(look_at_batch, range(0, count, _BATCH))
        return [finding for batch in batches for finding in batch]


def inspect_files(
    root: Path,
    paths: Sequence[str],
    *,
    digests: Mapping[str, str],
    examine: Callable[[bytes], str],
) -> list[Finding]:
    """Returns what is damaged among files below a root.

    Args:
      root: the folder.
      paths: of the files, below it.
      digests: SHA-256 that some of them must have, by path.
      examine: says what is wrong with a file's content, '' for nothing.
    """
    total = sum(map(_size, (root / path for path in paths)))

    def look(number: int) -> tuple[list[Finding], int]:
        return _look(root, paths[number], digests, examine)

    return inspect_all(look, len(paths), total=total, unit="bytes")


def examine_image(content: bytes) -> str:
    """Returns why a run with default settings cannot read an image to its end; '' where it can."""
    if not content:
        return "is empty"
    try:
        decode_bgr(content, max_pixels=Data.max_pixels)
    except ValueError as error:
        return f"cannot be read: {reason(error)}"
    return ""


def examine_nothing(content: bytes) -> str:
    """Returns 'is empty' for an empty file, else '': all else is left to its SHA-256."""
    return "" if content else "is empty"


def _look(
    root: Path,
    path: str,
    digests: Mapping[str, str],
    examine: Callable[[bytes], str],
) -> tuple[list[Finding], int]:
    try:
        content = _content(root / path, is_image=examine is examine_image)
    except (OSError, ValueError) as error:
        return [Finding(Kind.DAMAGED, path, f"cannot be read: {reason(error)}")], 0
    found = examine(content) or _other_hash(content, digests.get(path))
    return [Finding(Kind.DAMAGED, path, found)] if found else [], len(content)


def _content(path: Path, *, is_image: bool) -> bytes:
    if is_image:
        return read_image_file(path, max_pixels=Data.max_pixels)
    with open_regular(path) as file:
        return file.read()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # told when it is read
        return 0


def _other_hash(content: bytes, wanted: str | None) -> str:
    if wanted is None or hashlib.sha256(content).hexdigest().startswith(wanted):
        return ""
    return "SHA-256 is not the one it should have"
