"""Equalises a set: all its images are encoded alike before anything looks at them."""

import functools
from collections.abc import Sequence

import numpy as np

from jaxdet.config.chains import equalising_quality
from jaxdet.config.evaluation import Evaluation
from jaxdet.data import order
from jaxdet.data.images import ImageSet, Stored
from jaxdet.data.ops import decode_bgr, encode_jpeg, swap_channels
from jaxdet.progress import say

# What it does to a set, for people.
_EQUALISED = (
    "every test image, real and fake alike, is decoded and compressed as JPEG of this quality "
    "before it is scored; its sides stay"
)


def equalised(images: ImageSet, equalise: str) -> ImageSet:
    """Returns a set under `evaluation.equalise`: itself under "none".

    Raises:
      UserError: where there is no such value.
    """
    quality = equalising_quality(equalise)
    return images if quality is None else EqualisedSet(images, quality=quality)


def equalise_all(tests: Sequence[ImageSet], evaluation: Evaluation) -> list[ImageSet]:
    """Returns the test sets as `evaluation.equalise` has them, and logs what it does."""
    equalise = evaluation.equalise
    if equalise != "none":
        say(f"evaluation.equalise={equalise}: {_EQUALISED}")
    return [equalised(images, equalise) for images in tests]


class EqualisedSet(ImageSet):
    """Holds the images of another set, each compressed in memory to JPEG of one quality.

    What is stored of an image is that JPEG: container, quality and colour mode are then equal, and
    only the sides are still those of its file.
    """

    def __init__(self, images: ImageSet, *, quality: int):
        """Takes the other set and the quality, 1 to 100."""
        self._images, self._quality, self.name = images, quality, images.name

    @property
    def ids(self) -> Sequence[str]:
        """Returns the ids of the other set."""
        return self._images.ids

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """Returns the labels of the other set."""
        return self._images.labels

    def read(self, index: int, *, max_pixels: int, least_side: int = 0) -> np.ndarray:
        """Returns the pixels after compression; see ImageSet."""
        content = self.content(index, max_pixels=max_pixels)
        return decode_bgr(content, max_pixels=max_pixels, least_side=least_side)

    def content(self, index: int, *, max_pixels: int) -> bytes:
        """Returns the JPEG, made anew; see ImageSet."""
        rgb = swap_channels(self._images.read(index, max_pixels=max_pixels))
        return encode_jpeg(rgb, quality=self._quality)

    def size(self, index: int) -> tuple[int, int] | None:
        """Returns width and height, which stay."""
        return self._images.size(index)

    def where(self, index: int) -> str:
        """Returns what the other set calls the image."""
        return self._images.where(index)

    @property
    def place(self) -> str:
        """Returns the place of the other set."""
        return self._images.place

    def take(self, indices: Sequence[int] | np.ndarray, *, name: str = "") -> ImageSet:
        """Returns the images at the given places, in their order."""
        return EqualisedSet(self._images.take(indices, name=name), quality=self._quality)

    def marks(self) -> np.ndarray:
        """Returns the marks of the other set."""
        return self._images.marks()

    def content_marks(self) -> bytes:
        """Returns the marks of the other set, and what is made of its images."""
        return b"jpeg %d " % self._quality + self._images.content_marks()

    @property
    def numbering(self) -> str:
        """Returns that of the other set."""
        return self._images.numbering

    def file_marks(self, compare: str) -> str:
        """Returns the marks of the other set."""
        return self._images.file_marks(compare)

    @property
    def blocks(self) -> order.Blocks | None:
        """Returns the blocks of the other set."""
        return self._images.blocks

    @property
    def stored(self) -> Stored | None:
        """Returns that of the other set."""
        return self._images.stored

    @property
    def parts(self) -> Sequence[ImageSet]:
        """Returns the parts of the other set, equalised; see ImageSet."""
        if len(self._images.parts) == 1:
            return (self,)
        return [EqualisedSet(part, quality=self._quality) for part in self._images.parts]

    def stems(self) -> list[str]:
        """Returns the stems of the other set."""
        return self._images.stems()

    def group_names(self) -> list[str]:
        """Returns the groups of the other set."""
        return self._images.group_names()
