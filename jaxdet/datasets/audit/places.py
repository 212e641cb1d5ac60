"""Lists where every image of a data root stands: split, set, category and label."""

import bisect
import dataclasses
import functools
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxdet.data.aside import LeftAside
from jaxdet.data.folder import load_sets, look_at_layout
from jaxdet.data.images import LABEL_FOLDERS, SPLITS, ImageSet
from jaxdet.data.regular import listing
from jaxdet.data.table.columns import Reading
from jaxdet.data.table.find import find_table
from jaxdet.data.table.root import TableRoot
from jaxdet.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Folder:
    """Describes one folder of images: those from `start` up to `stop` of the listing.

    Attributes:
      split: "train", "val" or "test".
      set: "train", "val" or "test/<name>": what is trained on or scored as one.
      category: the folder between the set and the label, or "".
      label: 1 = fake.
      start: place of its first image.
      stop: place after its last.
    """

    split: str
    set: str
    category: str
    label: int
    start: int
    stop: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listing:
    """Lists all images of a data root; a set's images stand together, folder after folder.

    Attributes:
      root: the data root.
      ids: path of each image below a root in the plain layout, with forward slashes.
      images: the sets, in the order of their images.
      folders: in the order of their images.
      left_aside: what else lies below the root.
      reading: what is taken for what, in one line; "" for the plain layout.
    """

    root: Path
    ids: tuple[str, ...]
    images: tuple[ImageSet, ...]
    folders: tuple[Folder, ...]
    left_aside: LeftAside
    reading: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    @functools.cached_property
    def label(self) -> np.ndarray:
        """Returns the label of each image, u8 [N], 1 = fake."""
        return self._spread([folder.label for folder in self.folders])

    @functools.cached_property
    def split(self) -> np.ndarray:
        """Returns the split of each image, u8 [N], places in SPLITS."""
        return self._spread([SPLITS.index(folder.split) for folder in self.folders])

    @functools.cached_property
    def first(self) -> np.ndarray:
        """Returns the place where each image, shared by several sets, stands first, i64 [N]."""
        seen: dict[str, np.ndarray] = {}
        found, start = [], 0
        for part in (part for images in self.images for part in images.parts):
            found.append(seen.setdefault(part.name, np.arange(start, start + len(part))))
            start += len(part)
        return np.concatenate(found)

    @property
    def again(self) -> np.ndarray:
        """Returns which images, shared by several sets, stand in an earlier one too, bool [N]."""
        return self.first != np.arange(len(self))

    @functools.cached_property
    def sets(self) -> tuple[str, ...]:
        """Returns the names of the sets, in order."""
        return tuple(dict.fromkeys(folder.set for folder in self.folders))

    def rows(self, name: str, category: str | None = None) -> np.ndarray:
        """Returns the places of the images of a set, or of one category of it, sorted."""
        chosen = [
            np.arange(folder.start, folder.stop)
            for folder in self.folders
            if folder.set == name and category in (None, folder.category)
        ]
        return np.concatenate(chosen)

    def categories(self, name: str) -> list[str]:
        """Returns the categories of a set, in order; [] where it has fewer than two."""
        found = list(dict.fromkeys(f.category for f in self.folders if f.set == name))
        return found if len(found) > 1 else []

    def content(self, index: int, *, max_pixels: int) -> bytes:
        """Returns what is stored of an image; see `ImageSet.content`."""
        images, place = self._find(index)
        return images.content(place, max_pixels=max_pixels)

    def where(self, index: int) -> str:
        """Returns what a message calls an image."""
        images, place = self._find(index)
        return images.where(place)

    def _find(self, index: int) -> tuple[ImageSet, int]:
        number = bisect.bisect_right(self._ends, index)
        return self.images[number], index - (self._ends[number - 1] if number else 0)

    @functools.cached_property
    def _ends(self) -> list[int]:
        return list(itertools.accumulate(map(len, self.images)))

    def _spread(self, values: list[int]) -> np.ndarray:
        counts = [folder.stop - folder.start for folder in self.folders]
        return np.repeat(np.array(values, np.uint8), counts)


def list_root(root: Path, reading: Reading | None = None) -> Listing:
    """Returns every image of train, val and test of a root; one of the three is enough.

    Args:
      root: a folder or a table.
      reading: what the user says of it; None: nothing.

    Raises:
      UserError: where there is no such folder, or it cannot be read as asked.
    """
    found = find_table(root, reading or Reading())
    sets: Sequence[ImageSet]
    reading_line = ""
    if found is None:
        with listing(root):
            sets, left_aside = load_sets(root), look_at_layout(root)
    else:
        table = TableRoot(found.table, note=found.reading)
        sets, left_aside, reading_line = table.sets(), found.aside, table.left_aside(())
    if not sets:
        raise UserError(f"{root}: holds none of train, val and test; see docs/data.md")
    ids: list[str] = []
    folders: list[Folder] = []
    for images in sets:
        folders += _folders(images, start=len(ids))
        ids += [f"{images.name}/{i}" for i in images.ids]
    return Listing(
        root=root,
        ids=tuple(ids),
        images=tuple(sets),
        folders=tuple(folders),
        left_aside=left_aside,
        reading=reading_line,
    )


def _folders(images: ImageSet, *, start: int) -> list[Folder]:
    """Returns the runs of images that share a folder.

    `start` is the first one's place in the listing.
    """
    parents = np.array([i.rsplit("/", 1)[0] for i in images.ids])
    edges = np.flatnonzero(parents[1:] != parents[:-1]) + 1
    found = []
    for first, last in zip([0, *edges], [*edges, len(parents)], strict=True):
        category, _, label = str(parents[first]).rpartition("/")
        found.append(
            Folder(
                split=images.name.split("/")[0],
                set=images.name,
                category=category,
                label=LABEL_FOLDERS.index(label),
                start=start + int(first),
                stop=start + int(last),
            )
        )
    return found
