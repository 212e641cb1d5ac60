"""Distinguishes folders that are splits from those that are only called like one.

The test images of ForenSynths (Wang et al., CVPR 2020) have a class of trains among their classes:
`progan/{airplane,bicycle,...,train,tvmonitor}`.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxdet.errors import UserError
from jaxdet.streams import printable

# Depths below its parent at which a folder has images, by the parent's path and its own name.
_Depths = Mapping[str, Mapping[str, set[int]]]


class SplitFolders(NamedTuple):
    """Holds which of the folders that are called like a split are one.

    Attributes:
      splits: path of each that is one, to its split.
      classes: paths of the others.
    """

    splits: Mapping[str, str]
    classes: Sequence[str]


def find_split_folders(
    root: Path,
    paths: Sequence[str],
    *,
    split_of: Callable[[str], str],
    is_label: Callable[[str], bool],
) -> SplitFolders:
    """Returns the folders around images that are splits, by what lies beside them.

    One is a split where others lie beside it, or nothing else does. One that lies alone among
    innermost folders, and is one, is one more of these.

    Args:
      root: what messages name.
      paths: of the folders that have images, below it.
      split_of: split that a folder's name says; "" for none.
      is_label: whether a folder's name is that of a label.

    Raises:
      UserError: with both readings, where two fit.
    """
    splits: dict[str, str] = {}
    classes: list[str] = []
    for above, depths in _depths(paths, is_label).items():
        named = {name: split_of(name) for name in depths if split_of(name)}
        lone = set(named.values()) - {"test"}
        beside = {name: own for name, own in depths.items() if name not in named}
        called = {f"{above}/{name}".lstrip("/"): split for name, split in named.items()}
        # A class that is called `test` would be a test set just so.
        if len(set(named.values())) != 1 or not beside or not lone:
            splits |= called
        elif all(deep == {1} for deep in depths.values()):
            classes += called
        else:
            other = f"{above}/{next(iter(beside))}".lstrip("/")
            raise _two_readings(root, next(iter(called)), lone.pop(), other)
    _refuse_contradictions(root, paths, splits)
    return SplitFolders(splits, classes)


def _depths(paths: Iterable[str], is_label: Callable[[str], bool]) -> _Depths:
    """Returns what lies in each folder, but for labels, and how deep the images lie below that."""
    depths: dict[str, dict[str, set[int]]] = {}
    for path in paths:
        steps = path.split("/")
        deep = sum(not is_label(step) for step in steps)
        for place, step in enumerate(steps):
            if step and not is_label(step):
                depths.setdefault("/".join(steps[:place]), {}).setdefault(step, set()).add(deep)
                deep -= 1
    return depths


def _refuse_contradictions(root: Path, paths: Sequence[str], splits: Mapping[str, str]) -> None:
    """Raises UserError where two folders around an image are different splits.

    And for a lone folder that is called like a split where other images have no split at all: it
    may be the only class of its kind.
    """
    around = {path: {one: splits[one] for one in _around(path) if one in splits} for path in paths}
    for path, own in around.items():
        if len(set(own.values())) > 1:
            one, other = list(own)[:2]
            raise UserError(
                f"{root}: {printable(path)[:200]}: {printable(one)[:100]} says {own[one]} and "
                f"{printable(other)[:100]} says {own[other]}; rename the one that is no split"
            )
    silent = next((path for path, own in around.items() if not own), None)
    levels = Counter(one.rpartition("/")[0] for one in splits)
    for one, split in splits.items():
        if silent is not None and split != "test" and levels[one.rpartition("/")[0]] == 1:
            raise _two_readings(root, one, split, silent)


def _around(path: str) -> list[str]:
    return list(itertools.accumulate(path.split("/"), lambda above, step: f"{above}/{step}"))


def _two_readings(root: Path, path: str, split: str, other: str) -> UserError:
    one, other = printable(path)[:100], printable(other)[:100]
    return UserError(
        f"{root}: {one} may be the split {split}, or a class or generator as {other} is; say "
        "which: rename it, or move the images of the other splits into a folder `test` beside it"
    )
