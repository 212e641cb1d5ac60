"""Image files in folders: the ForenSynths layout, found, labelled and read.

`<split>/[<category>/]{0_real,1_fake}/*`. The label comes from the name of the folder that
holds the file, `0_real` or `1_fake`, and from nothing else.
"""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from jaxdet.data.formats import is_image_name
from jaxdet.data.images import LABEL_FOLDERS, ImageSet
from jaxdet.data.ops import decode_bgr
from jaxdet.data.ops.opening import size_by_header
from jaxdet.data.regular import listing, read_image_file
from jaxdet.errors import UserError
from jaxdet.files import open_regular


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FolderSet(ImageSet):
    """Image files below one folder, in sorted order.

    Attributes:
      name: what reports call it.
      folder: what the ids are relative to.
      files: the ids.
    """

    name: str
    folder: Path
    files: tuple[str, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """Path of each image below `folder`, with forward slashes."""
        return self.files

    def path(self, index: int) -> Path:
        """Where the image lies."""
        return self.folder / self.files[index]

    def read(self, index: int, *, max_pixels: int) -> np.ndarray:
        """The decoded file; see ImageSet."""
        content = read_image_file(self.path(index), max_pixels=max_pixels)
        return decode_bgr(content, max_pixels=max_pixels)

    def size(self, index: int) -> tuple[int, int] | None:
        """By the file's header; see ImageSet."""
        return read_size(self.path(index))

    def content_marks(self) -> bytes:
        """The bytes of each file; of one that went away -1."""
        return np.array([_byte_size(self.path(i)) for i in range(len(self))], np.int64).tobytes()

    def where(self, index: int) -> str:
        """The path."""
        return str(self.path(index))

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.folder)

    def take(self, indices: Sequence[int] | np.ndarray, *, name: str = "") -> "FolderSet":
        """The images at the given places, in their order."""
        files = tuple(self.files[i] for i in indices)
        return FolderSet(name=name or self.name, folder=self.folder, files=files)


class FolderRoot:
    """A folder with `train/`, `val/` and `test/`; see `sources.Root`."""

    def __init__(self, path: Path):
        """Takes a folder that exists."""
        self._path, self.place = path, str(path)

    def has(self, split: str) -> bool:
        """Whether there is a folder of this name."""
        with listing(self._path):
            return (self._path / split).is_dir()

    def categories(self, folder: str) -> list[str]:
        """See `find_categories`."""
        return find_categories(self._path / folder)

    def load(self, folder: str, *, name: str, categories: Sequence[str] = ()) -> FolderSet:
        """See `load_set`."""
        return load_set(self._path / folder, name=name, categories=categories)


def load_set(folder: Path, *, name: str, categories: Sequence[str] = ()) -> FolderSet:
    """All images of a folder in the layout; of the named categories only, where any are named.

    Raises:
      UserError: naming the folder that is missing, empty, or lacks a label.
    """
    with listing(folder):
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; see docs/data.md for the layout")
        found = find_categories(folder)
        missing = sorted(set(categories) - set(found))
        if missing:
            raise UserError(f"{folder / missing[0]}: no such class; there are {', '.join(found)}")
        chosen = [one for one in found if not categories or one in categories]
        ids = [i for category in chosen for i in _category_ids(folder, category)]
    return FolderSet(name=name, folder=folder, files=tuple(ids))


def find_categories(folder: Path) -> list[str]:
    """The folders that hold `0_real` and `1_fake`, sorted; [''] where `folder` itself does.

    Raises:
      UserError: where there is none.
    """
    with listing(folder):
        if any((folder / label).is_dir() for label in LABEL_FOLDERS):
            return [""]
        found = sorted(entry.name for entry in os.scandir(folder) if is_visible_folder(entry))
    if not found:
        raise UserError(f"{folder}: holds neither 0_real and 1_fake nor folders that do")
    return found


def is_visible_folder(entry: os.DirEntry) -> bool:
    """Whether an entry is a folder that may hold images."""
    return _is_folder(entry) and not entry.name.startswith(".")


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _category_ids(folder: Path, category: str) -> Iterator[str]:
    prefix = f"{category}/" if category else ""
    for label in LABEL_FOLDERS:
        place = folder / category / label
        if not place.is_dir():
            raise UserError(f"{place}: no such folder; each class needs 0_real and 1_fake")
        names = sorted(entry.name for entry in os.scandir(place) if is_image_file(entry))
        if not names:
            raise UserError(f"{place}: holds no image files")
        yield from (f"{prefix}{label}/{name}" for name in names)


def is_image_file(entry: os.DirEntry) -> bool:
    """Whether loaders take a directory's entry for an image: by its name, unless it is a folder.

    A pipe or a link to nowhere with such a name is one that cannot be read, and is dealt with as
    such; left aside, a set would shrink without a word.
    """
    return is_image_name(entry.name) and not _is_folder(entry)


def read_size(path: Path) -> tuple[int, int] | None:
    """Width and height by the file's header, pixels; None where it cannot be read."""
    try:
        with open_regular(path) as file:
            return size_by_header(file)
    except (OSError, ValueError):
        return None


def _byte_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
