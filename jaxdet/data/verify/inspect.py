"""Whether files can be read to their ends, in threads."""

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from jaxdet.data.verify.report import Finding, Kind
from jaxdet.progress import ProgressLine

# Files to one task: a task each would cost a gigabyte for the 720,119 of the training set.
_BATCH = 64


def inspect_files(
    root: Path,
    paths: Sequence[str],
    *,
    digests: Mapping[str, str],
    examine: Callable[[bytes], str],
) -> list[Finding]:
    """What is damaged among files below a root.

    Args:
      root: the folder.
      paths: of the files, below it.
      digests: SHA-256 that some of them must have, by path.
      examine: says what is wrong with a file's content, '' for nothing.
    """
    total = sum((root / path).stat().st_size for path in paths)

    def look(batch: Iterable[str]) -> list[Finding]:
        return [found for path in batch for found in _look(root, path, digests, examine, meter)]

    with (
        ProgressLine("verify", total=total, unit="bytes") as meter,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        batches = [paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH)]
        return [finding for found in pool.map(look, batches) for finding in found]


def examine_image(content: bytes) -> str:
    """Why Pillow cannot read an image to its end; '' where it can."""
    if not content:
        return "is empty"
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    # Pillow raises what its decoders raise: OSError, SyntaxError, ValueError, struct.error, ...
    except Exception as error:
        return f"cannot be read: {error or type(error).__name__}".replace("\n", " ")
    return ""


def examine_nothing(content: bytes) -> str:
    """For files whose SHA-256 says it all."""
    return "" if content else "is empty"


def _look(
    root: Path,
    path: str,
    digests: Mapping[str, str],
    examine: Callable[[bytes], str],
    meter: ProgressLine,
) -> list[Finding]:
    try:
        content = (root / path).read_bytes()
    except OSError as error:
        return [Finding(Kind.DAMAGED, path, f"cannot be read: {error.strerror}")]
    meter.advance(len(content))
    reason = examine(content) or _other_hash(content, digests.get(path))
    return [Finding(Kind.DAMAGED, path, reason)] if reason else []


def _other_hash(content: bytes, wanted: str | None) -> str:
    if wanted is None or hashlib.sha256(content).hexdigest().startswith(wanted):
        return ""
    return "SHA-256 is not the one it should have"
