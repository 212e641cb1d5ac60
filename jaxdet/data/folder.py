"""Image files in folders: the ForenSynths layout, found, labelled and read.

`<split>/[<category>/]{0_real,1_fake}/*`. The label comes from the name of the folder that
holds the file, `0_real` or `1_fake`, and from nothing else.
"""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from jaxdet.data import order
from jaxdet.errors import UserError

LABEL_FOLDERS = ("0_real", "1_fake")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Labelled image files below one folder, in sorted order.

    Attributes:
      name: what reports call it.
      folder: what the ids are relative to.
      ids: path of each image below `folder`, with forward slashes.
    """

    name: str
    folder: Path
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """i32 [N], 1 = fake."""
        return np.array([LABEL_FOLDERS.index(i.split("/")[-2]) for i in self.ids], np.int32)

    @functools.cached_property
    def fingerprint(self) -> str:
        """16 hex digits over the ids: two sets that differ in any name or place differ here."""
        return hashlib.sha256("\n".join(self.ids).encode("utf8", "surrogateescape")).hexdigest()[
            :16
        ]

    def path(self, index: int) -> Path:
        """Where the image lies."""
        return self.folder / self.ids[index]

    def take(self, indices: Sequence[int] | np.ndarray, *, name: str = "") -> "ImageSet":
        """The images at the given places, in their order."""
        ids = tuple(self.ids[i] for i in indices)
        return ImageSet(name=name or self.name, folder=self.folder, ids=ids)


def load_set(folder: Path, *, name: str, categories: Sequence[str] = ()) -> ImageSet:
    """All images of a folder in the layout; of the named categories only, where any are named.

    Raises:
      UserError: naming the folder that is missing, empty, or lacks a label.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; see docs/data.md for the layout")
    found = find_categories(folder)
    missing = sorted(set(categories) - set(found))
    if missing:
        raise UserError(f"{folder / missing[0]}: no such class; there are {', '.join(found)}")
    chosen = [one for one in found if not categories or one in categories]
    ids = [i for category in chosen for i in _category_ids(folder, category)]
    return ImageSet(name=name, folder=folder, ids=tuple(ids))


def find_categories(folder: Path) -> list[str]:
    """The folders that hold `0_real` and `1_fake`, sorted; [''] where `folder` itself does.

    Raises:
      UserError: where there is none.
    """
    if any((folder / label).is_dir() for label in LABEL_FOLDERS):
        return [""]
    found = sorted(entry.name for entry in os.scandir(folder) if _is_visible_folder(entry))
    if not found:
        raise UserError(f"{folder}: holds neither 0_real and 1_fake nor folders that do")
    return found


def _is_visible_folder(entry: os.DirEntry) -> bool:
    return entry.is_dir() and not entry.name.startswith(".")


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
    """Whether loaders take a directory's entry for an image."""
    return is_image_name(entry.name) and entry.is_file()


def is_image_name(name: str) -> bool:
    """By its ending: other files (Thumbs.db, notes) may lie beside the images."""
    suffix = os.path.splitext(name)[1].lower()
    return suffix in _image_suffixes() and not name.startswith(".")


@functools.cache
def _image_suffixes() -> frozenset[str]:
    return frozenset(Image.registered_extensions())


def draw_subset(images: ImageSet, *, share: float, seed: int, stream: int) -> np.ndarray:
    """Indices, sorted, of a share of each label folder of each class: at least one image of each.

    Each folder is drawn by itself, so that labels and classes keep their proportions.
    """
    folders = np.array([i.rsplit("/", 1)[0] for i in images.ids])
    taken = []
    for number, name in enumerate(sorted(set(folders))):
        places = np.flatnonzero(folders == name)
        rng = order.random_generator(seed, stream=stream, index=number)
        count = max(1, round(share * len(places)))
        taken.append(rng.permutation(places)[:count])
    return np.sort(np.concatenate(taken))


def read_size(path: Path) -> tuple[int, int] | None:
    """Width and height by the file's header, pixels; None where it cannot be read."""
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return None
