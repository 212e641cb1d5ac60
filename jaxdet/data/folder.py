"""Finds, labels and reads image files in folders of the ForenSynths layout.

`<split>/[<category>/]{0_real,1_fake}/*`. The label comes from the name of the folder that
holds the file, `0_real` or `1_fake`, and from nothing else.
"""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from jaxdet.data.aside import LeftAside, look_aside, look_beside
from jaxdet.data.formats import is_image_name
from jaxdet.data.images import LABEL_FOLDERS, SPLITS, ImageSet
from jaxdet.data.names import is_image_file, is_visible_folder
from jaxdet.data.ops import decode_bgr
from jaxdet.data.ops.opening import size_by_header
from jaxdet.data.regular import Stats, file_mark, listing, read_image_file, stats_of
from jaxdet.data.walk import walk
from jaxdet.errors import UserError
from jaxdet.workdir.files import check_folder, open_regular

# A data root may lie in the middle of other things: a run does not count more of these.
_MOST_STRAYS = 100_000
# Folders between a split and its label folders, and one.
_LABEL_DEPTH = 3


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FolderSet(ImageSet):
    """Holds the image files below one folder, in sorted order.

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
        """Returns the path of each image below `folder`, with forward slashes."""
        return self.files

    def path(self, index: int) -> Path:
        """Returns where the image lies."""
        return self.folder / self.files[index]

    def read(self, index: int, *, max_pixels: int, least_side: int = 0) -> np.ndarray:
        """Returns the decoded file; see ImageSet."""
        content = self.content(index, max_pixels=max_pixels)
        return decode_bgr(content, max_pixels=max_pixels, least_side=least_side)

    def content(self, index: int, *, max_pixels: int) -> bytes:
        """Returns the file; see ImageSet."""
        return read_image_file(self.path(index), max_pixels=max_pixels)

    def size(self, index: int) -> tuple[int, int] | None:
        """Returns the size by the file's header; see ImageSet."""
        return read_size(self.path(index))

    def content_marks(self) -> bytes:
        """Returns the bytes of each file; of one that went away -1."""
        return self._stats().size.tobytes()

    def marks(self) -> np.ndarray:
        """Returns device and inode, and the size; see ImageSet."""
        return self._stats().marks()

    def _stats(self) -> Stats:
        return stats_of([f"{self.folder}/{file}" for file in self.files])

    def file_marks(self, compare: str) -> str:
        """Returns the mark of each file; see ImageSet."""
        return " ".join(file_mark(self.path(index), compare) for index in range(len(self)))

    def where(self, index: int) -> str:
        """Returns the path."""
        return str(self.path(index))

    @property
    def place(self) -> str:
        """Returns the folder."""
        return str(self.folder)

    def take(self, indices: Sequence[int] | np.ndarray, *, name: str = "") -> "FolderSet":
        """Returns the images at the given places, in their order."""
        files = tuple(self.files[i] for i in indices)
        return FolderSet(name=name or self.name, folder=self.folder, files=files)


class FolderRoot:
    """Reads a folder with `train/`, `val/` and `test/`; see `sources.Root`."""

    def __init__(self, path: Path):
        """Takes a folder that exists."""
        self._path, self.place = path, str(path)

    def has(self, split: str) -> bool:
        """Returns whether there is a folder of this name."""
        with listing(self._path):
            return (self._path / split).is_dir()

    def categories(self, folder: str) -> list[str]:
        """Returns the categories of a folder; see `find_categories`."""
        return find_categories(self._path / folder)

    def load(self, folder: str, *, name: str, categories: Sequence[str] = ()) -> FolderSet:
        """Returns the images of a folder; see `load_set`."""
        return load_set(self._path / folder, name=name, categories=categories)

    def left_aside(self, splits: Sequence[str]) -> str:
        """Returns what of these splits, and beside all splits, no set holds; see `sources.Root`."""
        with listing(self._path):
            return look_at_layout(self._path, splits=splits, most=_MOST_STRAYS).sentence()


def is_plain(root: Path) -> bool:
    """Returns whether a folder has the layout, or nothing that could have another one.

    Label folders in a split decide; without them, whether there are images elsewhere in it. A lone
    folder `train` or `val` among others that hold labels as it does is no split: the test images of
    ForenSynths have a class of trains.
    """
    splits = [root / split for split in SPLITS if (root / split).is_dir()]
    if len(splits) == 1 and splits[0].name != "test" and _holds_labels(splits[0]):
        beside = (root / name for name in visible_folders(root) if name != splits[0].name)
        if any(map(_holds_labels, beside)):
            return False
    level = splits
    for _ in range(_LABEL_DEPTH):
        if any(map(_holds_labels, level)):
            return True
        level = [folder / name for folder in level for name in visible_folders(folder)]
    return not any(
        is_image_name(name) or name.lower().endswith(".parquet")
        for visit in walk(root)
        for name in visit.names
    )


def load_sets(root: Path) -> list[FolderSet]:
    """Returns every set of a data root, named `train`, `val` and `test/<set>`; [] without splits.

    Raises:
      UserError: naming the folder that has another layout.
    """
    sets = [load_set(root / name, name=name) for name in ("train", "val") if (root / name).is_dir()]
    if not (root / "test").is_dir():
        return sets
    names = find_categories(root / "test")
    if "" in names:
        raise UserError(
            f"{root / 'test'}: holds images directly; put them in a folder named after the set"
        )
    return sets + [load_set(root / "test" / name, name=f"test/{name}") for name in names]


def look_at_layout(
    root: Path, *, splits: Sequence[str] = SPLITS, most: int | None = None
) -> LeftAside:
    """Counts what lies below a data root and in no set of it; see `look_aside`."""
    places = {
        "/".join(filter(None, place)) for split in splits for place in label_places(root, split)
    }
    return look_aside(root, looked_into=places, splits=splits, most=most)


def label_places(root: Path, split: str) -> Iterator[tuple[str, str, str]]:
    """Yields where the images of a split belong, whether there are any or not.

    Yields:
      The set or class (`test/beta`, `train/cat`, or `train` where it holds the labels itself), the
      category below it or "", and the label folder.
    """
    names = visible_folders(root / split)
    if set(names) & set(LABEL_FOLDERS):
        # Tests belong to sets, which have names.
        yield from ((split, "", label) for label in LABEL_FOLDERS if split != "test")
        return
    for name in names:
        below = visible_folders(root / split / name) if split == "test" else []
        categories = [""] if set(below) & set(LABEL_FOLDERS) else below or [""]
        for category in categories:
            yield from ((f"{split}/{name}", category, label) for label in LABEL_FOLDERS)


def load_set(folder: Path, *, name: str, categories: Sequence[str] = ()) -> FolderSet:
    """Returns the images of a folder in the layout; of the named categories only, if any are named.

    Raises:
      UserError: naming the folder that is missing, empty, or lacks a label.
    """
    with listing(folder):
        check_folder(folder, advice="; see docs/data.md for the layout")
        there = find_categories(folder)
        missing = sorted(set(categories) - set(there))
        if missing:
            raise UserError(f"{folder / missing[0]}: no such class; there are {', '.join(there)}")
        chosen = [one for one in there if not categories or one in categories]
        ids = [i for category in chosen for i in _category_ids(folder, category)]
    return FolderSet(name=name, folder=folder, files=tuple(ids))


def find_categories(folder: Path) -> list[str]:
    """Returns the folders that hold `0_real` and `1_fake`, sorted; [''] where `folder` itself does.

    Raises:
      UserError: where there is none.
    """
    with listing(folder):
        if _holds_labels(folder):
            return [""]
        folders = visible_folders(folder)
    if not folders:
        raise UserError(f"{folder}: holds neither 0_real and 1_fake nor folders that do")
    return folders


def _holds_labels(folder: Path) -> bool:
    return any((folder / label).is_dir() for label in LABEL_FOLDERS)


def visible_folders(folder: Path) -> list[str]:
    """Returns the sorted names of the folders in a folder that are not hidden; [] without one."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in os.scandir(folder) if is_visible_folder(entry))


def image_names(folder: Path) -> list[str]:
    """Returns the sorted names of the images in a folder."""
    return sorted(entry.name for entry in os.scandir(folder) if is_image_file(entry))


def _category_ids(folder: Path, category: str) -> Iterator[str]:
    prefix = f"{category}/" if category else ""
    for label in LABEL_FOLDERS:
        place = folder / category / label
        check_folder(place, advice="; each class needs 0_real and 1_fake")
        names = image_names(place)
        if not names:
            raise UserError(f"{place}: holds no image files{_instead(place)}")
        yield from (f"{prefix}{label}/{name}" for name in names)


def _instead(folder: Path) -> str:
    sentence = look_beside(folder).sentence()
    return f"; {sentence}" if sentence else ""


def read_size(path: Path) -> tuple[int, int] | None:
    """Returns width and height by the file's header, pixels; None where it cannot be read."""
    try:
        with open_regular(path) as file:
            return size_by_header(file)
    except (OSError, ValueError):
        return None
