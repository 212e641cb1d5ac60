"""Holds labelled images in an order: what loaders see, wherever the pixels lie.

`open_root` in data/sources.py gives them, from folders, a packed store or a tfds dataset.
"""

import abc
import bisect
import contextlib
import functools
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from jaxdet.config.data import Data
from jaxdet.data import order
from jaxdet.errors import UserError
from jaxdet.workdir.identity import fingerprint_of

LABEL_FOLDERS = ("0_real", "1_fake")
SPLITS = ("train", "val", "test")
# Images of a set whose bytes enter its sampled fingerprint.
_SAMPLED = 64


class NoImageError(ValueError):
    """Signals that a row of a table has no image, or that what holds its bytes is damaged."""


class ImageSet(abc.ABC):
    """Holds labelled images in a fixed order.

    It pickles, so that worker processes can have it.

    Attributes:
      name: what reports call it.
    """

    name: str

    @property
    @abc.abstractmethod
    def ids(self) -> Sequence[str]:
        """Returns the path of each image below its set, `[<category>/]{0_real,1_fake}/<file>`."""

    @abc.abstractmethod
    def read(self, index: int, *, max_pixels: int, least_side: int = 0) -> np.ndarray:
        """Returns the pixels u8 [H, W, 3] in BGR, OpenCV's order; perhaps read-only.

        Args:
          index: place in the set.
          max_pixels: images with more are refused.
          least_side: pixels of the shorter side that are enough; see `codec.decode`.

        Raises:
          OSError: where the file cannot be opened.
          ValueError: where it is no image, is damaged, or has more than `max_pixels`.
        """

    @abc.abstractmethod
    def content(self, index: int, *, max_pixels: int) -> bytes:
        """Returns what is stored of an image; see `read` for what is raised."""

    @abc.abstractmethod
    def size(self, index: int) -> tuple[int, int] | None:
        """Returns width and height by the header, pixels; None where it cannot be read."""

    @abc.abstractmethod
    def where(self, index: int) -> str:
        """Returns what a message calls the image."""

    @property
    @abc.abstractmethod
    def place(self) -> str:
        """Returns what a message calls the set."""

    @abc.abstractmethod
    def take(self, indices: Sequence[int] | np.ndarray, *, name: str = "") -> "ImageSet":
        """Returns the images at the given places, in their order."""

    @abc.abstractmethod
    def marks(self) -> np.ndarray:
        """Returns u64 [N, 2], by which equal images are found without reading them; 0: nothing.

        Two images with the same first mark are one file; only two with the same second one can
        hold the same bytes.
        """

    @abc.abstractmethod
    def content_marks(self) -> bytes:
        """Returns what changes with the content of the images and is quick to see.

        Those are sizes or checksums.
        """

    def file_marks(self, compare: str) -> str:
        """Returns what `file_mark` gives for the files behind the images; "" where checksums do."""
        del compare
        return ""

    @property
    def blocks(self) -> order.Blocks | None:
        """Returns which images are cheap to read together; None where order makes no difference."""
        return None

    @property
    def parts(self) -> "Sequence[ImageSet]":
        """Returns the sets that it was joined from, which may be parts of others; else itself."""
        return (self,)

    def stems(self) -> list[str]:
        """Returns the path of each image without its label and ending; a partner's is the same."""
        return [stem_of(one) for one in self.ids]

    def generator_names(self) -> list[str]:
        """Returns what made each image, as a table's column says; "" where nothing does."""
        return [""] * len(self)

    def group_names(self) -> list[str]:
        """Returns the group of each image, such as one picture and its copies; "" for none."""
        return [""] * len(self)

    def __len__(self) -> int:
        return len(self.ids)

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """Returns the label of each image, i32 [N], 1 = fake."""
        return np.array([LABEL_FOLDERS.index(i.split("/")[-2]) for i in self.ids], np.int32)

    @functools.cached_property
    def fingerprint(self) -> str:
        """Returns 16 hex digits over the ids.

        Two sets that differ in any name or place differ here.
        """
        return fingerprint_of("\n".join(self.ids))

    @functools.cached_property
    def content_fingerprint(self) -> str:
        """Returns 16 hex digits over the ids and `content_marks`.

        They stand for the pixels there are, as far as seen. Not over times of change: a copy of the
        files has the same.
        """
        return fingerprint_of(self.fingerprint.encode() + self.content_marks())

    def sampled_fingerprint(self) -> str:
        """Returns 16 hex digits over `content_fingerprint` and the bytes of some of the images.

        Sizes and checksums are quick to see; where all images have the same size the bytes tell.
        """
        facts = [self.content_fingerprint.encode()]
        count = _SAMPLED if len(self) else 0
        for index in np.unique(np.linspace(0, len(self) - 1, count).astype(np.int64)):
            with contextlib.suppress(OSError, ValueError):
                content = self.content(int(index), max_pixels=Data.max_pixels)
                facts.append(hashlib.sha256(content).digest())
        return fingerprint_of(facts)

    def identity(self, compare: str) -> str:
        """Returns 16 hex digits by which scores of an earlier start know their images again.

        Args:
          compare: "times" or "bytes"; see `runtime.compare_images`.
        """
        known: dict[str, str] = self.__dict__.setdefault("_identities", {})
        if compare not in known:
            facts = f"{self.content_fingerprint} {self.file_marks(compare)}"
            known[compare] = fingerprint_of(facts)
        return known[compare]


def stem_of(image: str, *, numbered: bool = False) -> str:
    """Returns an id without its label and ending and, where it has one, the number of its row.

    Args:
      image: the id.
      numbered: whether `NUMBER-` stands before the file's own name.
    """
    *above, _, file = image.rsplit("/", 2)
    name = file.partition("-")[2] if numbered else file
    return "/".join([*above, os.path.splitext(name)[0]])


class PathTable:
    """Holds the label folders of sources that are not folders themselves.

    Attributes:
      place: what messages call the source; set by subclasses.
      shared: sets of real images that a test set of fakes alone is held against, by its folder.
    """

    place: str
    shared: Mapping[str, Sequence[str]] = MappingProxyType({})

    def __init__(self, folders: Iterable[str]):
        """Takes the paths of all label folders, `train/cat/0_real` and so on."""
        self._folders = tuple(folders)
        self._sorted = sorted((path, place) for place, path in enumerate(self._folders))

    def has(self, split: str) -> bool:
        """Returns whether there is anything of the split."""
        return any(folder.split("/")[0] == split for folder in self._folders)

    def categories(self, folder: str) -> list[str]:
        """Returns the folders below, sorted; [''] where `folder` holds the two labels itself.

        Without those of real images that others are held against.

        Raises:
          UserError: where there is nothing below.
        """
        below = {path[len(folder) + 1 :].split("/")[0] for path in self._below(folder)}
        if not below:
            raise UserError(f"{self.place}: holds no {folder}")
        if below <= set(LABEL_FOLDERS):
            return [""]
        shared = {name for names in self.shared.values() for name in names}
        return sorted(one for one in below if f"{folder}/{one}" not in shared)

    def label_folders(self, folder: str, categories: Sequence[str]) -> list[str]:
        """Returns the label folders below, of the named categories only where any are named.

        Raises:
          UserError: naming the category or label that is not there.
        """
        folder = folder.strip("/")
        found = self.categories(folder)
        missing = sorted(set(categories) - set(found))
        if missing:
            raise UserError(
                f"{self.place}: {folder} has no class {missing[0]}; there are {', '.join(found)}"
            )
        cut, wanted = len(folder) + 1, set(categories) - {""}
        below = dict.fromkeys(self._below(folder))
        chosen = [path for path in below if not wanted or path[cut:].split("/")[0] in wanted]
        for path in _partners_missing(chosen):
            above, label = path.rsplit("/", 1)
            raise UserError(f"{self.place}: {above} has no {label}; both are needed")
        return chosen

    def missing_labels(self, folder: str) -> list[str]:
        """Returns the label folders below that are not there, though the other label's is."""
        return _partners_missing(self._below(folder.strip("/")))

    def has_one_label(self, folder: str) -> bool:
        """Returns whether a folder is a test set of one label, which alone may lack the other."""
        labels = {path.rsplit("/", 1)[1] for path in self._below(folder)}
        return folder.startswith("test/") and len(labels) == 1

    def _below(self, folder: str) -> list[str]:
        # Behind the slash in any sorting comes 0.
        first, end = (bisect.bisect_left(self._sorted, (folder + one,)) for one in "/0")
        return [self._folders[place] for place in sorted(n for _, n in self._sorted[first:end])]


def _partners_missing(paths: Sequence[str]) -> list[str]:
    """Returns the label folders beside some that are not among them."""
    known = set(paths)
    beside = dict.fromkeys(path.rsplit("/", 1)[0] for path in paths)
    wanted = (f"{above}/{label}" for above in beside for label in LABEL_FOLDERS)
    return [path for path in wanted if path not in known]
