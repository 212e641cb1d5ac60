"""Compares every byte of a packed store with its checksums."""

import dataclasses
import zlib
from collections import Counter
from pathlib import Path

from jaxdet.data.aside import LeftAside
from jaxdet.data.store.layout import DamagedStoreError, StorePaths
from jaxdet.data.store.reader import Store
from jaxdet.data.walk import walk
from jaxdet.datasets.verify.inspect import examine_image, inspect_all
from jaxdet.datasets.verify.report import Finding, Kind, Report, count_sets


def verify_store(root: Path) -> Report:
    """Finds damage in a store, be it new or packed, and the images that were not packed."""
    try:
        store = Store(root)
    except DamagedStoreError as error:
        return Report(findings=(Finding(Kind.DAMAGED, "store.json", str(error)),))
    sizes = store.index["size"]

    def look(record: int) -> tuple[list[Finding], int]:
        return _look(store, record), int(sizes[record])

    findings = inspect_all(look, len(sizes), total=int(sizes.sum()), unit="bytes")
    findings += [
        Finding(Kind.SURPLUS, path, f"not packed: {detail}") for path, detail in store.losses
    ]
    images = Counter(store.index["folder"].tolist())
    return Report(
        counts=count_sets({path: images[place] for place, path in enumerate(store.folders)}),
        checked=len(sizes),
        hashed=len(sizes),
        findings=tuple(findings),
        left_aside=_strays(store),
        packed=store.left_aside,
    )


def _strays(store: Store) -> LeftAside:
    """Counts the files in a store's folder that are none of its own."""
    paths, aside = StorePaths(store.path), LeftAside()
    shards = [paths.shard(number) for number in range(len(store.about["shards"]))]
    columns = map(paths.column, store.columns)
    own = {paths.about, paths.index, paths.names, *columns, *shards}
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
