"""Finds images that occur again, exactly or nearly, on two sides of a border: split or label.

An image of one split that stands in another as well is a fault: what is validated or tested on
was trained on. So is one image with both labels. A fake that looks like a real image of the same
split is not: super-resolution, autoencoders and translation make it from that photograph. Such
pairs are listed, since they must stay in one split together, and count as faults only across
splits. Repeats within one split and label are counted and no more.

Nearly means: at most six of 64 bits of the perceptual hash differ, and the 16x16 thumbnails
differ by less than a fifth of their contrast. Images of less than four grey levels of contrast
are left out: all such look alike. Crops, mirror images and rotations are not found.
"""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

from jaxdet.data.images import SPLITS
from jaxdet.datasets.audit.scan import Scan

MOST_BITS = 6
MOST_DIFFERENCE = 0.2  # root mean square difference of thumbnails, as a share of the contrast
LEAST_CONTRAST = 4.0  # standard deviation of a thumbnail, grey levels
MOST_LISTED = 100
_BYTES = 8  # of a hash
_CHUNK = 1 << 16  # pairs compared at a time


@dataclasses.dataclass(frozen=True, kw_only=True)
class Repeats:
    """Holds the duplicates of one kind.

    Attributes:
      total: how many there are.
      listed: the first of them, each a tuple of paths below the root.
    """

    total: int
    listed: tuple[tuple[str, ...], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Holds the images that occur again: exact ones as groups of files, near ones as pairs.

    Attributes:
      exact_across_splits: groups of equal images in more than one split. A fault.
      exact_across_labels: groups of equal images with both labels, in one split. A fault.
      near_across_splits: pairs in two splits. A fault.
      near_across_labels: real and fake in one split, such as a photograph and its reconstruction.
      repeats: files beyond the first of a group within one split and label.
    """

    exact_across_splits: Repeats
    exact_across_labels: Repeats
    near_across_splits: Repeats
    near_across_labels: Repeats
    repeats: int


def find_duplicates(scan: Scan) -> Duplicates:
    """Returns all images that occur again across splits or labels.

    Time grows little more than linearly.
    """
    rows = np.flatnonzero(scan.table["read"] & ~scan.listing.again)
    side = scan.listing.split[rows].astype(np.int64) * 2 + scan.listing.label[rows]
    image = same_digest(scan.table["digest"][rows])
    # One image for each digest and side: exact copies must not come again as near ones.
    _, first = np.unique(image * 2 * len(SPLITS) + side, return_index=True)
    groups = _groups(image[first], rows[first])
    across = [len(set(scan.listing.split[group])) > 1 for group in groups]
    pairs = near_pairs(scan.table[rows[first]], side=side[first], image=image[first])
    pairs = np.sort(rows[first][pairs], axis=1)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    split = scan.listing.split[pairs]
    apart = split[:, 0] != split[:, 1]
    return Duplicates(
        exact_across_splits=_found(scan, list(itertools.compress(groups, across))),
        exact_across_labels=_found(scan, [g for g, a in zip(groups, across, strict=True) if not a]),
        near_across_splits=_found(scan, pairs[apart]),
        near_across_labels=_found(scan, pairs[~apart]),
        repeats=len(rows) - len(first),
    )


def hash_pairs(hashes: np.ndarray, *, side: np.ndarray) -> np.ndarray:
    """Returns all pairs of different sides whose hashes differ in up to MOST_BITS bits, int [P, 2].

    Six changed bits leave at least two of the eight bytes alone. So for each two of the bytes
    the hashes are sorted by those two, and only those that agree in them are compared: 28
    passes, where each hash meets one in 65,536 of the others if hashes are well spread.

    Args:
      hashes: u64 [N].
      side: int [N].
    """
    parts = hashes.view(np.uint8).reshape(-1, _BYTES).astype(np.uint16)
    near = [np.empty((0, 2), np.int64)]
    for one, other in itertools.combinations(range(_BYTES), 2):
        for pairs in _equal_keys(parts[:, one] << 8 | parts[:, other]):
            pairs = pairs[side[pairs[:, 0]] != side[pairs[:, 1]]]
            differing = hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]
            near.append(pairs[np.bitwise_count(differing) <= MOST_BITS])
    return np.unique(np.sort(np.concatenate(near), axis=1), axis=0)


def _equal_keys(keys: np.ndarray) -> Iterator[np.ndarray]:
    """Yields pairs of places with equal keys, int [*, 2], in portions."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    start, distance = np.arange(len(keys)), 0
    while len(start):
        distance += 1
        start = start[start + distance < len(keys)]
        start = start[ordered[start] == ordered[start + distance]]
        for chunk in range(0, len(start), _CHUNK):
            left = start[chunk : chunk + _CHUNK]
            yield np.stack([order[left], order[left + distance]], axis=1)


def near_pairs(table: np.ndarray, *, side: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Returns near pairs of different sides that are not the same image, int [P, 2].

    Args:
      table: [N] of `scan.ROW`, of which pairs are places.
      side: int [N].
      image: int [N], the same number for the same pixels.
    """
    contrast = _contrast(table["thumb"])
    told_apart = np.flatnonzero(contrast >= LEAST_CONTRAST)
    pairs = hash_pairs(np.ascontiguousarray(table["hash"][told_apart]), side=side[told_apart])
    pairs = told_apart[pairs]
    pairs = pairs[image[pairs[:, 0]] != image[pairs[:, 1]]]
    alike = [
        _alike(table["thumb"], contrast, pairs[start : start + _CHUNK])
        for start in range(0, len(pairs), _CHUNK)
    ]
    return pairs[np.concatenate(alike)] if alike else pairs


def _contrast(thumb: np.ndarray) -> np.ndarray:
    """Returns the standard deviation of each thumbnail, f32 [N].

    In portions, since floats take more memory.
    """
    portions = [
        thumb[start : start + _CHUNK].std(axis=1, dtype=np.float32)
        for start in range(0, len(thumb), _CHUNK)
    ]
    return np.concatenate(portions) if portions else np.empty(0, np.float32)


def _alike(thumb: np.ndarray, contrast: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Returns which pairs of thumbnails differ by little of their contrast, bool [P]."""
    one, other = thumb[pairs[:, 0]].astype(np.float32), thumb[pairs[:, 1]].astype(np.float32)
    difference = np.sqrt(np.mean((one - other) ** 2, axis=1))
    return difference < MOST_DIFFERENCE * contrast[pairs].max(axis=1)


def same_digest(digest: np.ndarray) -> np.ndarray:
    """Returns a number for each distinct digest: u64 [N, 2] -> int [N]."""
    whole = np.ascontiguousarray(digest).view("V16").ravel()
    return np.unique(whole, return_inverse=True)[1]


def _groups(image: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Returns the rows of each image that has more than one, in the order of their first."""
    order = np.argsort(image, kind="stable")
    edges = np.flatnonzero(np.diff(image[order])) + 1
    groups = [group for group in np.split(rows[order], edges) if len(group) > 1]
    return sorted(groups, key=lambda group: int(group[0]))


def _found(scan: Scan, groups: "list[np.ndarray] | np.ndarray") -> Repeats:
    ids = scan.listing.ids
    listed = tuple(tuple(ids[i] for i in group) for group in groups[:MOST_LISTED])
    return Repeats(total=len(groups), listed=listed)
