"""Packs a folder of data or a table, bit for bit, going on where it was stopped.

Shards are filled one after the other in `DST.partial`; each counts once its part of the index is
there. The folder takes its name when everything is written and synced.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from jaxdet.data.store.layout import KIND, RECORD, SCHEMA_VERSION, StorePaths, is_store, read_about
from jaxdet.data.table.columns import Reading
from jaxdet.datasets.pack.draft import Draft, npy
from jaxdet.datasets.pack.encode import encode, header_of, may_be_raw
from jaxdet.datasets.pack.listing import Listing, list_files, set_of
from jaxdet.errors import UserError, writing_to
from jaxdet.progress import ProgressLine
from jaxdet.streams import printable
from jaxdet.workdir.cores import usable_cores
from jaxdet.workdir.drafts import replacing
from jaxdet.workdir.files import check_apart, is_empty_folder, sha256, write_bytes, write_json
from jaxdet.workdir.identity import json_sha256
from jaxdet.workdir.lock import claimed

# A shard is closed when it has this many bytes: what a stopped start does again.
SHARD_BYTES = 2**30

Say = Callable[[str], None]


def pack(src: Path, dst: Path, *, say: Say, reading: Reading | None = None) -> None:
    """Packs every split of `src` into the store `dst`, or says that it is there.

    Args:
      src: a folder of images or a table.
      dst: the store to make.
      say: takes a line of text.
      reading: what the user says of a table or a layout; None: nothing.

    Raises:
      UserError: where `src` cannot be read, `dst` is something else, or another start is packing
        the same store.
      RunFailedError: where the disk is full.
    """
    listing = list_files(src, reading)
    check_apart(dst, src, instead="DST")
    with claimed(dst, instead="DST"):
        if os.path.lexists(dst) and not is_empty_folder(dst):
            _check_same(dst, listing)
            say(f"{dst}: is packed already")
            say_left_aside(listing, say)
            return
        with writing_to(dst):
            draft = Draft(dst, listing)
            if not draft.is_complete:
                _write(listing, draft, say)
            draft.become(dst)
    raw = np.load(StorePaths(dst).index, mmap_mode="r")["raw"]
    say(f"{dst}: {len(raw)} images, {int(raw.sum())} as raw pixels, the rest as their files")
    say_left_aside(listing, say)


def say_left_aside(listing: Listing, say: Say) -> None:
    """Logs how the folder was read and what else lies below it, if there is anything to say."""
    if listing.left_aside:
        say(f"{listing.root}: {listing.left_aside}")


def _check_same(dst: Path, listing: Listing) -> None:
    if not is_store(dst):
        raise UserError(f"{dst}: exists already and is no packed store; give another name")
    if read_about(StorePaths(dst))["source"] != listing.fingerprint:
        raise UserError(
            f"{dst}: a store of other files than {listing.root} holds now; give another name"
        )


def _write(listing: Listing, draft: Draft, say: Say) -> None:
    first = sum(map(len, draft.done))
    with ProgressLine("pack", total=len(listing.files), done=first, unit="images") as line:
        images = _read_ahead(listing, _raw_sizes(listing), first, say)
        for records in _write_shards(
            listing, images, draft.paths, first=first, number=len(draft.done), advance=line.advance
        ):
            draft.add(records)
    written = np.concatenate(draft.done)
    records = np.empty_like(written)
    records[listing.order] = written
    _finish(listing, draft.paths, records, draft.sizes)


def _write_shards(
    listing: Listing,
    images: Iterator[tuple[np.ndarray, np.ndarray]],
    paths: StorePaths,
    *,
    first: int,
    number: int,
    advance: Callable[[], None],
) -> Iterator[np.ndarray]:
    """Writes the remaining shards; yields the records of each once its file is complete."""
    while first < len(listing.files):
        records = _write_shard(images, paths.shard(number), number, advance)
        yield records
        first, number = first + len(records), number + 1


def _write_shard(
    images: Iterator[tuple[np.ndarray, np.ndarray]],
    path: Path,
    number: int,
    advance: Callable[[], None],
) -> np.ndarray:
    records, size = [], 0
    with replacing(path) as file:
        for record, content in images:
            record["shard"], record["offset"] = number, size
            file.write(content.data)
            records.append(record)
            size += content.size
            advance()
            if size >= SHARD_BYTES:
                break
    return np.array(records, RECORD)


def _raw_sizes(listing: Listing) -> dict[str, tuple[int, int]]:
    """Returns for each set the size of its first image that may be stored as raw pixels.

    That is an RGB image in a lossless container; those of the same size are stored raw.
    """
    firsts: dict[str, tuple[int, int]] = {}
    for number in listing.order.tolist():
        one = set_of(listing.path(number))
        if one not in firsts:
            header = header_of(listing.content(number)[0])
            if header and may_be_raw(*header):
                firsts[one] = header[1]
    return firsts


def _read_ahead(
    listing: Listing, raw_sizes: dict[str, tuple[int, int]], first: int, say: Say
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields record and bytes of each image, decoded by threads, in the listing's order of reading.

    From the one at place `first` on. Those that cannot be read are named; they are packed as they
    are, and rows without an image as empty files.
    """

    def read(number: int) -> tuple[np.ndarray, np.ndarray, str]:
        content, lack = listing.content(number)
        record, stored, fault = encode(content, raw_sizes.get(set_of(listing.path(number))))
        record["folder"] = listing.files[number][0]
        how = f"{lack}; packed empty" if lack else f"{fault}; packed as it is"
        return record, stored, fault and f"{listing.where(number)}: {how}"

    def result(future: Future[tuple[np.ndarray, np.ndarray, str]]) -> tuple[np.ndarray, np.ndarray]:
        record, stored, fault = future.result()
        if fault:
            say(printable(fault))
        return record, stored

    with ThreadPoolExecutor(usable_cores()) as pool:
        waiting: deque[Future[tuple[np.ndarray, np.ndarray, str]]] = deque()
        for number in listing.order[first:].tolist():
            waiting.append(pool.submit(read, number))
            if len(waiting) > 4 * usable_cores():
                yield result(waiting.popleft())
        while waiting:
            yield result(waiting.popleft())


def _finish(listing: Listing, paths: StorePaths, records: np.ndarray, sizes: Iterable[int]) -> None:
    """Writes the names, the index, what a table says of the images and, last, the description."""
    names = [name.encode("utf8", "surrogateescape") for _, name in listing.files]
    records["name_size"] = [len(name) for name in names]
    records["name"] = np.cumsum(records["name_size"], dtype=np.uint64) - records["name_size"]
    write_bytes(paths.names, b"".join(names))
    write_bytes(paths.index, npy(records))
    described = [paths.index, paths.names]
    for name, column in listing.columns.items():
        write_bytes(paths.column(name), npy(column))
        described.append(paths.column(name))
    about = {
        **({"generators": list(listing.generators)} if listing.generators else {}),
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "images": len(records),
        "raw": int(records["raw"].sum()),
        "folders": list(listing.folders),
        "shards": list(sizes),
        "source": listing.fingerprint,
        "left_aside": listing.left_aside,
        "losses": listing.losses,
        "shared": listing.shared,
        "sha256": {path.name: sha256(path) for path in described},
    }
    write_json(paths.about, {**about, "digest": json_sha256(about)})
