"""Counts the files below a folder that are not used, to the last one, for one line about them."""

import dataclasses
import functools
import itertools
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from jaxdet.data.formats import has_image_ending, is_image_name
from jaxdet.data.images import LABEL_FOLDERS, SPLITS
from jaxdet.data.names import is_hidden
from jaxdet.data.plugins import missing_packages
from jaxdet.data.released import RELEASED_WEIGHTS
from jaxdet.data.walk import Visit, walk
from jaxdet.streams import printable

# Kinds and folders that a line names; the numbers are of all.
_MOST_NAMED = 6
_MOST_LETTERS = 60
_HIDDEN, _OWN = "hidden", "of jaxdet itself"


@dataclasses.dataclass(kw_only=True)
class LeftAside:
    """Counts the files that a command passes over.

    Attributes:
      others: files that are no images by name, by the ending, "" for none, or "hidden".
      unseen: images in folders that are not looked into, by folder.
      lacking: images among `others` that a package would read, by folder.
      circular: linked folders that lead back to a folder around them.
      distant: linked folders behind too many links.
      closed: folders that cannot be listed.
      around: folders in which label folders lie, where the layout is another than the plain one.
      cut: whether the counting was ended early, and there are more.
    """

    others: Counter[str] = dataclasses.field(default_factory=Counter)
    unseen: Counter[str] = dataclasses.field(default_factory=Counter)
    lacking: Counter[str] = dataclasses.field(default_factory=Counter)
    circular: list[str] = dataclasses.field(default_factory=list)
    distant: list[str] = dataclasses.field(default_factory=list)
    closed: list[str] = dataclasses.field(default_factory=list)
    around: frozenset[str] = frozenset()
    cut: bool = False

    @property
    def files(self) -> int:
        """Returns the number of files that are left aside."""
        return self.others.total() + self.unseen.total()

    def note(
        self, visit: Visit, *, is_wanted: Callable[[str], bool] | None, own: Collection[str] = ()
    ) -> None:
        """Counts the files of a folder that are not wanted; all where none are looked for.

        Args:
          visit: the folder.
          is_wanted: says by its name whether a file is looked for; None where none is.
          own: names of files that jaxdet itself keeps there; an image is never one of them.
        """
        self.circular += visit.circular
        self.distant += visit.distant
        if visit.error is not None:
            self.closed.append(visit.path or ".")
        for name in visit.names:
            if is_wanted is None or not is_wanted(name):
                self._note_file(visit.path, name, unseen=is_wanted is None, own=name in own)

    def add(self, other: "LeftAside", *, below: str = "") -> None:
        """Adds the counts of another folder, whose name is put before its paths."""
        self.cut |= other.cut
        self.around |= {_join(below, one) for one in other.around}
        self.others += other.others
        for mine, theirs in ((self.unseen, other.unseen), (self.lacking, other.lacking)):
            mine.update({_join(below, path): count for path, count in theirs.items()})
        for name in ("circular", "distant", "closed"):
            getattr(self, name).extend(_join(below, path) for path in getattr(other, name))

    def sentence(self) -> str:
        """Returns one line of bounded length about all of it; "" where there is nothing to say."""
        parts = [
            self._about_others(),
            _about(self.circular, "linked folder", "not followed in a circle"),
            _about(self.distant, "linked folder", "not followed behind other links"),
            _about(self.closed, "folder", "not to be read"),
            self._about_unseen(),
        ]
        told = "; ".join(part for part in parts if part)
        return f"{told}; there is more, not counted" if self.cut else told

    def losses(self) -> list[tuple[str, str]]:
        """Returns folders of images that a set seems to hold and does not, with what is wrong.

        Images beside the splits are nobody's, unless they lie in a folder named after a label, or
        beside one in another layout.
        """
        return [
            *((p, f"{_count(n, 'image file')} where no command looks") for p, n in self._lost()),
            *(
                (p, f"{_count(n, 'image file')} of a format whose package is missing")
                for p, n in self.lacking.items()
                if self._is_of_a_set(p)
            ),
            *((p, "a linked folder behind too many links, not followed") for p in self.distant),
        ]

    def to_plain(self) -> dict[str, Any]:
        """Returns the counts as JSON takes them."""
        counts = {name: value for name, value in vars(self).items() if name != "around"}
        return {"files": self.files, **counts}

    def _lost(self) -> Iterable[tuple[str, int]]:
        return ((path, n) for path, n in self.unseen.items() if self._is_of_a_set(path))

    def _is_of_a_set(self, folder: str) -> bool:
        steps = folder.split("/")
        if steps[0] in SPLITS or any(step in LABEL_FOLDERS for step in steps):
            return True
        if folder and any(map(is_hidden, steps)):
            return False
        return any(not one or f"{folder}/".startswith(f"{one}/") for one in self.around)

    def _note_file(self, folder: str, name: str, *, unseen: bool, own: bool) -> None:
        # AppleDouble files, `._a.png`, are no images whatever their ending.
        if unseen and has_image_ending(name) and not name.startswith("._"):
            self.unseen[folder] += 1
            return
        lacks = not is_hidden(name) and bool(missing_packages([_ending(name)]))
        self.lacking.update([folder] * lacks)
        self.others[_OWN if own and not lacks else _kind(name)] += 1

    def _about_others(self) -> str:
        """Returns "" where there is nothing but what jaxdet itself keeps there."""
        if not self.others or set(self.others) == {_OWN}:
            return ""
        kinds = [
            f"{n:,} {_shown(kind) or 'without an ending'}" for kind, n in _largest(self.others)
        ]
        rest = self.others.total() - sum(n for _, n in _largest(self.others))
        kinds += [f"{rest:,} with other endings"] if rest else []
        files = _count(self.others.total(), "other file")
        advice = "".join(f"; {line}" for line in missing_packages(self.others))
        return f"{files} left aside: {', '.join(kinds)}{advice}"

    def _about_unseen(self) -> str:
        if not self.unseen:
            return ""
        folders = [f"{_shown(path) or '.'} ({n:,})" for path, n in _largest(self.unseen)]
        rest = len(self.unseen) - len(folders)
        folders += [f"and {_count(rest, 'more folder')}"] if rest else []
        files = _count(self.unseen.total(), "image file")
        return f"{files} in folders that are not looked into: {', '.join(folders)}"


def look_aside(
    root: Path,
    *,
    looked_into: Collection[str],
    splits: Collection[str] = SPLITS,
    most: int | None = None,
) -> LeftAside:
    """Counts every file below a data root that is no image of a folder that is looked into.

    Args:
      root: the data root.
      looked_into: paths below it of the label folders.
      splits: those that count; the others are passed over, and what lies beside them counts.
      most: files from which on the counting ends; None for no end.
    """
    aside = LeftAside()
    for start in [*(split for split in splits if (root / split).is_dir()), ""]:
        for visit in walk(root, start=start, skip=() if start else SPLITS):
            is_seen = visit.path in looked_into
            aside.note(visit, is_wanted=is_image_name if is_seen else None, own=_own_of(visit))
            if most is not None and aside.files > most:
                aside.cut = True
                return aside
    return aside


def look_beside(folder: Path) -> LeftAside:
    """Counts what lies in a folder besides its images, and in the folders below it."""
    aside = LeftAside()
    for visit in walk(folder):
        aside.note(visit, is_wanted=None if visit.path else is_image_name)
    return aside


def _own_of(visit: Visit) -> Collection[str]:
    """Returns the names of files in a folder of a data root that jaxdet itself puts there."""
    if visit.path == "fetched":
        return visit.names
    return () if visit.path else _own_names()


def _kind(name: str) -> str:
    return _HIDDEN if is_hidden(name) else _ending(name)


@functools.cache
def _own_names() -> frozenset[str]:
    """Returns names beside the splits that `synth` and `fetch` give their files."""
    return frozenset({"synth.json", *itertools.chain(*RELEASED_WEIGHTS.values())})


def _ending(name: str) -> str:
    return os.path.splitext(name)[1]


def _join(above: str, path: str) -> str:
    return os.path.join(above, path) if path and path != "." else above


def _largest(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:_MOST_NAMED]


def _about(paths: list[str], what: str, state: str) -> str:
    if not paths:
        return ""
    named = ", ".join(map(_shown, paths[:_MOST_NAMED]))
    return f"{_count(len(paths), what)} {state} ({named}{', …' * (len(paths) > _MOST_NAMED)})"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _shown(name: str) -> str:
    """Returns a name that may be printed, of a long one its end."""
    name = printable(name)
    return name if len(name) <= _MOST_LETTERS else f"…{name[-_MOST_LETTERS:]}"
