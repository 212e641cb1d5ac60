"""A packed store, every byte of it held against its checksums."""

import dataclasses
import os
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jaxdet.data.aside import LeftAside
from jaxdet.data.images import LABEL_FOLDERS
from jaxdet.data.store.layout import DamagedStoreError, StorePaths
from jaxdet.data.store.reader import Store
from jaxdet.data.walk import walk
from jaxdet.datasets.verify.inspect import examine_image
from jaxdet.datasets.verify.report import Count, Finding, Kind, Report
from jaxdet.progress import ProgressLine

# Records to one task.
_BATCH = 64


def verify_store(root: Path) -> Report:
    """Finds damage in a store, be it new or packed, and the images that were not packed."""
    try:
        store = Store(root)
    except DamagedStoreError as error:
        return Report(findings=(Finding(Kind.DAMAGED, "store.json", str(error)),))
    count, total = len(store.index), int(store.index["size"].sum())
    with (
        ProgressLine("verify", total=total, unit="bytes") as meter,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):

        def look(start: int) -> list[Finding]:
            records = range(start, min(start + _BATCH, count))
            found = [finding for record in records for finding in _look(store, record)]
            meter.advance(int(store.index["size"][start : start + _BATCH].sum()))
            return found

        findings = [one for found in pool.map(look, range(0, count, _BATCH)) for one in found]
    findings += [
        Finding(Kind.SURPLUS, path, f"not packed: {detail}") for path, detail in store.losses
    ]
    return Report(
        counts=_counts(store), checked=count, hashed=count, findings=tuple(findings),
        left_aside=_strays(store), packed=store.left_aside,
    )  # fmt: skip


def _strays(store: Store) -> LeftAside:
    """Counts the files in a store's folder that are none of its own."""
    paths, aside = StorePaths(store.path), LeftAside()
    shards = [paths.shard(number) for number in range(len(store.about["shards"]))]
    own = {paths.about, paths.index, paths.names, *shards}
    for visit in walk(store.path):
        names = tuple(one for one in visit.names if store.path / visit.path / one not in own)
        aside.note(dataclasses.replace(visit, names=names), is_wanted=None)
    return aside


def _look(store: Store, record: int) -> list[Finding]:
    content = store.content(record)
    reason = ""
    if zlib.crc32(content.data) != store.index["crc"][record]:
        raw = "its pixels" if store.index["raw"][record] else "its bytes"
        reason = f"{raw} are not those that were packed: CRC-32 differs"
    elif not store.index["raw"][record]:
        # Packed as it was, broken or not.
        reason = examine_image(content.tobytes())
    return [Finding(Kind.DAMAGED, store.path_of(record), reason)] if reason else []


def _counts(store: Store) -> tuple[Count, ...]:
    """Counts the images of each `<split>/<class or set>`."""
    images = Counter(store.index["folder"].tolist())
    labels: Counter[tuple[str, str]] = Counter()
    for number, folder in enumerate(store.folders):
        parts = folder.split("/")
        labels["/".join(parts[:2] if len(parts) > 2 else parts[:1]), parts[-1]] += images[number]
    return tuple(
        Count(
            path=path,
            real=labels[path, LABEL_FOLDERS[0]],
            fake=labels[path, LABEL_FOLDERS[1]],
        )
        for path in dict.fromkeys(path for path, _ in labels)
    )
