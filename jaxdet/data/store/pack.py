"""A folder in ForenSynths layout into a packed store, bit for bit, going on where it was stopped.

Shards are filled one after the other in `DST.partial`; each counts once its part of the index is
there. The folder takes its name when everything is written and synced.
"""

import contextlib
import fcntl
import io
import itertools
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from jaxdet.data.store.encode import encode, header_of
from jaxdet.data.store.layout import KIND, RECORD, SCHEMA_VERSION, StorePaths, is_store, read_about
from jaxdet.data.store.layout import sha256 as sha256_of
from jaxdet.data.store.listing import Listing, list_files, set_of
from jaxdet.errors import RunFailedError, UserError
from jaxdet.progress import ProgressLine
from jaxdet.results import read_json, write_bytes, write_json

# A shard is closed when it has this many bytes: what a stopped start does again.
SHARD_BYTES = 2**30

Say = Callable[[str], None]


def pack(src: Path, dst: Path, *, say: Say) -> None:
    """Packs every split of `src` into the store `dst`, or says that it is there.

    Args:
      src: a folder with `train/`, `val/` or `test/`.
      dst: the store to make.
      say: takes a line of text.

    Raises:
      UserError: where `src` is no such folder, or `dst` is something else.
      RunFailedError: where the disk is full or another start is packing the same store.
    """
    listing = list_files(src)
    if dst.exists() or dst.is_symlink():
        _check_same(dst, listing)
        say(f"{dst}: is packed already")
        return
    draft = dst.with_name(f"{dst.name}.partial")
    try:
        with _locked(draft):
            _write(listing, draft)
            draft.rename(dst)
    except OSError as error:
        raise RunFailedError(
            f"{draft}: cannot be written: {error.strerror or error}; "
            "make room and start the same command again"
        ) from None
    raw = np.load(StorePaths(dst).index, mmap_mode="r")["raw"]
    say(f"{dst}: {len(raw)} images, {int(raw.sum())} as raw pixels, the rest as their files")


def _check_same(dst: Path, listing: Listing) -> None:
    if not is_store(dst):
        raise UserError(f"{dst}: exists already and is no packed store; give another name")
    if read_about(StorePaths(dst))["source"] != listing.fingerprint:
        raise UserError(f"{dst}: a store of other images than {listing.root}; give another name")


@contextlib.contextmanager
def _locked(draft: Path) -> Iterator[None]:
    """Holds the draft folder for this process alone; a crash leaves no lock behind."""
    draft.mkdir(parents=True, exist_ok=True)
    handle = os.open(draft, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunFailedError(f"{draft}: another start is packing this store") from None
        yield
    finally:
        os.close(handle)


def _write(listing: Listing, draft: Path) -> None:
    paths, parts = StorePaths(draft), draft / "parts"
    _check_draft(draft, listing)
    done = list(_finished(parts))
    sizes = [os.path.getsize(paths.shard(number)) for number in range(len(done))]
    first = sum(map(len, done))
    with ProgressLine("pack", total=len(listing.files), done=first, unit="images") as line:
        for records, size in _write_shards(
            listing, paths, first=first, number=len(done), advance=line.advance
        ):
            write_bytes(parts / f"{len(done):05d}.npy", _npy(records))
            done.append(records)
            sizes.append(size)
    _finish(listing, paths, np.concatenate(done), sizes)
    shutil.rmtree(parts)
    (draft / "plan.json").unlink()


def _check_draft(draft: Path, listing: Listing) -> None:
    """A draft of other images is not added to."""
    plan = draft / "plan.json"
    if not plan.exists():
        write_json(plan, {"source": listing.fingerprint, "schema_version": SCHEMA_VERSION})
    elif read_json(plan) != {"source": listing.fingerprint, "schema_version": SCHEMA_VERSION}:
        raise UserError(
            f"{draft}: was begun with other images than {listing.root} holds now; remove it to "
            "pack these"
        )


def _finished(parts: Path) -> Iterator[np.ndarray]:
    for number in itertools.count():
        path = parts / f"{number:05d}.npy"
        if not path.exists():
            return
        yield np.load(path, allow_pickle=False)


def _write_shards(
    listing: Listing, paths: StorePaths, *, first: int, number: int, advance: Callable[[], None]
) -> Iterator[tuple[np.ndarray, int]]:
    """Records and bytes of each further shard, once its file is whole."""
    raw_sizes = _raw_sizes(listing)
    images = _read_ahead(listing, raw_sizes, first)
    while first < len(listing.files):
        records, size = _write_shard(images, paths.shard(number), number, advance)
        yield records, size
        first, number = first + len(records), number + 1


def _write_shard(
    images: Iterator[tuple[np.ndarray, np.ndarray]],
    path: Path,
    number: int,
    advance: Callable[[], None],
) -> tuple[np.ndarray, int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft, records, size = path.with_suffix(".tmp"), [], 0
    with draft.open("wb") as file:
        for record, content in images:
            record["shard"], record["offset"] = number, size
            file.write(content.data)
            records.append(record)
            size += content.size
            advance()
            if size >= SHARD_BYTES:
                break
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    return np.array(records, RECORD), size


def _raw_sizes(listing: Listing) -> dict[str, tuple[int, int]]:
    """For each set the size of its first image: those of another size stay as files."""
    firsts: dict[str, tuple[int, int]] = {}
    for folder, name in listing.files:
        one = set_of(listing.folders[folder])
        if one not in firsts:
            header = header_of((listing.root / listing.folders[folder] / name).read_bytes())
            firsts[one] = header[1] if header else (0, 0)
    return firsts


def _read_ahead(
    listing: Listing, raw_sizes: dict[str, tuple[int, int]], first: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Record and bytes of each image from `first` on, decoded by threads, in order."""

    def read(number: int) -> tuple[np.ndarray, np.ndarray]:
        folder, name = listing.files[number]
        path = listing.folders[folder]
        content = (listing.root / path / name).read_bytes()
        record, stored = encode(content, raw_sizes[set_of(path)])
        record["folder"] = folder
        return record, stored

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting: deque[Future[tuple[np.ndarray, np.ndarray]]] = deque()
        for number in range(first, len(listing.files)):
            waiting.append(pool.submit(read, number))
            if len(waiting) > 4 * (os.cpu_count() or 1):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _finish(listing: Listing, paths: StorePaths, records: np.ndarray, sizes: Iterable[int]) -> None:
    """Names, index and, last, the description."""
    names = [name.encode("utf8", "surrogateescape") for _, name in listing.files]
    records["name_size"] = [len(name) for name in names]
    records["name"] = np.cumsum(records["name_size"], dtype=np.uint64) - records["name_size"]
    write_bytes(paths.names, b"".join(names))
    write_bytes(paths.index, _npy(records))
    write_json(
        paths.about,
        {
            "schema_version": SCHEMA_VERSION,
            "kind": KIND,
            "images": len(records),
            "raw": int(records["raw"].sum()),
            "folders": list(listing.folders),
            "shards": list(sizes),
            "source": listing.fingerprint,
            "sha256": {path.name: sha256_of(path) for path in (paths.index, paths.names)},
        },
    )


def _npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return content.getvalue()
