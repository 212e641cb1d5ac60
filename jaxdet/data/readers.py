"""Reads the images of a set, with the policy for those that cannot be read."""

import dataclasses

import numpy as np

from jaxdet.config.augment import Augment
from jaxdet.config.data import Data
from jaxdet.data.images import ImageSet
from jaxdet.data.regular import reason
from jaxdet.errors import BadImageError
from jaxdet.workdir.identity import identity_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reader:
    """Reads the pixels of one image of a set, with the policy for those that cannot be read.

    Attributes:
      images: the set.
      max_pixels: images with more cannot be read.
      skip_bad: whether an unreadable image is passed over; else it is an error.
      least_side: pixels of the shorter side that are enough; 0 for whole images.
    """

    images: ImageSet
    max_pixels: int
    skip_bad: bool
    least_side: int = 0

    def __call__(self, index: int) -> np.ndarray | None:
        """Returns the pixels, u8 [H, W, 3] in BGR; None for an unreadable image passed over.

        Raises:
          BadImageError: for an unreadable image that is not.
        """
        try:
            return self.images.read(index, max_pixels=self.max_pixels, least_side=self.least_side)
        except (OSError, ValueError) as error:
            self.pass_over(index, error)
            return None

    def identity(self, compare: str) -> str:
        """Returns 16 hex digits by which what follows from the pixels knows its images again.

        `compare` is "times" or "bytes"; see `runtime.compare_images`.
        """
        return identity_of(
            images=self.images.identity(compare),
            max_pixels=self.max_pixels,
            least_side=self.least_side,
        )

    def pass_over(self, index: int, error: Exception) -> None:
        """Raises BadImageError that says why, unless unreadable images are passed over."""
        if not self.skip_bad:
            raise BadImageError(
                f"{self.images.where(index)}: {reason(error)}; mend or remove it, or set "
                "--config.data.on_bad_image=skip (and a new --workdir)"
            ) from None


def training_reader(data: Data, augment: Augment, images: ImageSet) -> Reader:
    """Passes over unreadable images, for others to take their places, unless they stop the run."""
    return Reader(
        images=images,
        max_pixels=data.max_pixels,
        skip_bad=data.on_bad_image in ("skip", "replace"),
        least_side=augment.resize if augment.decode == "scaled" else 0,
    )


def evaluation_reader(data: Data, images: ImageSet) -> Reader:
    """Passes over unreadable images only where they may be left out: nothing can replace them."""
    skip_bad = data.on_bad_image == "skip"
    return Reader(images=images, max_pixels=data.max_pixels, skip_bad=skip_bad)
