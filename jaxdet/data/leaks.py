"""Finds images that mislead a run: tests that were trained on, one image with two labels.

What a look at inodes and sizes tells: links to one file, and equal bytes among files of equal size,
of which a bounded number is read. `python -m jaxdet.data audit` compares all, and near copies too.
"""

import hashlib
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from jaxdet.config.data import Data
from jaxdet.data.images import ImageSet

# Images that are read at most, with what is read of each: some seconds on a slow file system.
_MOST_READ, _THREADS = 2000, 16
_ROLES = ("training", "validation", "test")


def find_leaks(training: tuple[ImageSet, ImageSet] | None, tests: Sequence[ImageSet]) -> list[str]:
    """Returns a line for each way in which images occur where they should not, with an example.

    Args:
      training: the images to train on and to validate on; None for an evaluation alone.
      tests: the sets to score.
    """
    images = _Images([*(training or ()), *tests], first_role=0 if training else 2)
    groups = [*images.linked(), *images.equal()]
    kinds = [
        (f"{_ROLES[other]} images that are {_ROLES[one]} images", images.role, one, other)
        for one, other in itertools.combinations(range(len(_ROLES)), 2)
    ]
    kinds.append(("images labelled both real and fake", images.label, 0, 1))
    leaks = [(what, _across(groups, kind, one, other)) for what, kind, one, other in kinds]
    return [
        f"{what}: at least {len({image for image, _ in pairs})}, such as "
        f"{' and '.join(map(images.where, pairs[0]))}; `python -m jaxdet.data audit` finds all of "
        "them, and near copies"
        for what, pairs in leaks
        if pairs
    ]


def _across(
    groups: Sequence[np.ndarray], kind: np.ndarray, one: int, other: int
) -> list[tuple[int, int]]:
    """Returns the images of the other kind that equal one of the first, each with that one."""
    pairs = []
    for group in groups:
        firsts = group[kind[group] == one]
        if len(firsts):
            pairs += [(int(image), int(firsts[0])) for image in group[kind[group] == other]]
    return sorted(pairs)


class _Images:
    """Holds the images of several sets as one sequence: role, label and marks of each."""

    def __init__(self, sets: Sequence[ImageSet], *, first_role: int):
        self._sets = sets
        sizes = [len(images) for images in sets]
        self._starts = np.cumsum([0, *sizes])
        roles = [min(first_role + place, 2) for place in range(len(sets))]
        self.role = np.repeat(roles, sizes)
        self.label = np.concatenate([images.labels for images in sets])
        # Equal images of one kind are worth no word.
        self._kind = 2 * self.role + self.label
        self._marks = np.concatenate([images.marks() for images in sets])

    def where(self, place: int) -> str:
        which, index = self._find(place)
        return self._sets[which].where(index)

    def linked(self) -> list[np.ndarray]:
        """Returns the places of images that are one file, of several kinds."""
        places = np.flatnonzero(self._marks[:, 0])
        return self._groups(places, self._marks[places, 0])

    def equal(self) -> list[np.ndarray]:
        """Returns the places of images of equal bytes and several kinds, as far as read."""
        places = np.flatnonzero(self._marks[:, 1])
        # A rare size says most. Of one that all images have, some are read.
        groups = sorted(self._groups(places, self._marks[places, 1]), key=len)
        wanted = [place for group in groups for place in group[:: -(-len(group) // _MOST_READ)]]
        read = np.array(wanted[:_MOST_READ], np.int64)
        with ThreadPoolExecutor(_THREADS) as pool:
            digests = np.array(list(pool.map(self._digest, read)), "S64")
        there = digests != b""
        return self._groups(read[there], digests[there])

    def _groups(self, places: np.ndarray, keys: np.ndarray) -> list[np.ndarray]:
        """Returns the places that share a key and are of several kinds, for each such key."""
        if not len(places):
            return []
        order = np.argsort(keys, kind="stable")
        places, keys = places[order], keys[order]
        starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        ends = np.append(starts[1:], len(places))
        kind = self._kind[places]
        mixed = np.minimum.reduceat(kind, starts) != np.maximum.reduceat(kind, starts)
        spans = zip(starts[mixed], ends[mixed], strict=True)
        return [places[start:end] for start, end in spans]

    def _digest(self, place: int) -> bytes:
        which, index = self._find(place)
        try:
            content = self._sets[which].content(index, max_pixels=Data.max_pixels)
        except (OSError, ValueError):
            return b""
        return hashlib.sha256(content).hexdigest().encode()

    def _find(self, place: int) -> tuple[int, int]:
        which = int(np.searchsorted(self._starts, place, side="right")) - 1
        return which, int(place - self._starts[which])
