"""Walks folders the same way for every command: sorted, links followed, and never in circles."""

import dataclasses
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from jaxdet.data.names import is_folder, is_hidden

# A folder behind more links than these is not entered: folders that link to each other would be
# walked in every order.
_MOST_LINKS = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Visit:
    """Holds what a walk finds in one folder.

    Attributes:
      path: below the root, with forward slashes; '' for the root itself.
      names: of its files, sorted.
      circular: paths of linked folders in it that lead back to a folder around them.
      distant: paths of linked folders in it that lie behind too many links.
      error: why the folder cannot be listed, if it cannot.
    """

    path: str
    names: tuple[str, ...] = ()
    circular: tuple[str, ...] = ()
    distant: tuple[str, ...] = ()
    error: OSError | None = None


@dataclasses.dataclass(frozen=True)
class _Place:
    """Holds where a folder on the way is, which it is, and how many links lead to it."""

    path: str
    identity: tuple[int, int]
    links: int
    above: "_Place | None"

    def lies_in(self, identity: tuple[int, int]) -> bool:
        place: _Place | None = self
        while place is not None and place.identity != identity:
            place = place.above
        return place is not None


def walk(root: Path, *, start: str = "", skip: Collection[str] = ()) -> Iterator[Visit]:
    """Visits a folder and all folders below it, each before those inside it, in sorted order.

    Linked folders are entered as torchvision's `ImageFolder` enters them, unless they lead back to
    a folder that they lie in.

    Args:
      root: what paths are relative to.
      start: the folder directly below the root to begin with; '' for the root itself.
      skip: names of folders directly below the root that are not entered.
    """
    waiting = [_first(root, start)]
    while waiting:
        place = waiting.pop()
        try:
            entries = sorted(os.scandir(root / place.path), key=lambda entry: entry.name)
            folders = {entry.name: entry for entry in entries if is_folder(entry)}
            inside = [
                _below(place, entry)
                for name, entry in folders.items()
                if place.path or name not in skip
            ]
        except OSError as error:
            yield Visit(path=place.path, error=error)
            continue
        # Without a link on the way nothing leads back.
        circular = tuple(one.path for one in inside if one.links and place.lies_in(one.identity))
        distant = tuple(one.path for one in inside if one.links > _MOST_LINKS)
        yield Visit(
            path=place.path,
            names=tuple(entry.name for entry in entries if entry.name not in folders),
            circular=circular,
            distant=tuple(path for path in distant if path not in circular),
        )
        waiting += [one for one in reversed(inside) if one.path not in {*circular, *distant}]


def folders_of(root: Path) -> list[str]:
    """Returns the paths of a folder and all folders below it that are not hidden."""
    visits = (visit.path for visit in walk(root))
    visible = [path for path in visits if not path or not any(map(is_hidden, path.split("/")))]
    return [str(root / path) for path in visible]


def _first(root: Path, start: str) -> _Place:
    top = _Place("", _identity(root), 0, None)
    if not start:
        return top
    return _Place(start, _identity(root / start), int((root / start).is_symlink()), top)


def _below(place: _Place, entry: os.DirEntry) -> _Place:
    path = f"{place.path}/{entry.name}" if place.path else entry.name
    return _Place(path, _identity(entry), place.links + entry.is_symlink(), place)


def _identity(folder: Path | os.DirEntry) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino
