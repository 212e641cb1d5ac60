"""Holds labelled images in an order: what loaders see, wherever the pixels lie.

`open_root` in data/sources.py gives them, from folders, a packed store or a tfds dataset.
"""

import abc
import contextlib
import functools
import hashlib
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxdet.config.data import Data
from jaxdet.data import order
from jaxdet.workdir.identity import fingerprint_of

LABEL_FOLDERS = ("0_real", "1_fake")
SPLITS = ("train", "val", "test")
# Images of a set whose bytes enter its sampled fingerprint.
_SAMPLED = 64


class NoImageError(ValueError):
    """Signals that a row of a table has no image, or that what holds its bytes is damaged."""


class Stored(NamedTuple):
    """Holds in which row group of which file each image of a set lies, i64 [N] each.

    Attributes:
      table: that the numbers are of; sets of one table may share row groups.
      file: number of the file.
      group: number of the row group in it.
      row: number of the row in the file.
    """

    table: object
    file: np.ndarray
    group: np.ndarray
    row: np.ndarray


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
    def numbering(self) -> str:
        """Returns what says which images the numbers in `ids` count; "" where ids are paths.

        Of two runs, an id is one image only where this is equal, too.
        """
        return ""

    @property
    def blocks(self) -> order.Blocks | None:
        """Returns which images are cheap to read together; None where order makes no difference."""
        return None

    @property
    def stored(self) -> Stored | None:
        """Returns where the images lie in row groups, which are read whole; None where in none."""
        return None

    def number_of(self, index: int) -> int:
        """Returns the number that an image's random numbers follow from: its place in its set."""
        return index

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
