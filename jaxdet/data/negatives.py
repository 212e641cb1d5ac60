"""Adds hard negatives: real images of a folder, which come several times in an epoch.

Such as those that a detector calls fake: what it was not shown enough of (DDA, NeurIPS 2025, and
B-Free, CVPR 2025, train against such shortcuts with images of their own making).
"""

import functools
from collections.abc import Sequence

import numpy as np

from jaxdet.data import order
from jaxdet.data.images import ImageSet
from jaxdet.data.joined import JoinedSet
from jaxdet.data.sources import open_root
from jaxdet.data.table.columns import Reading
from jaxdet.data.table.root import TableRoot
from jaxdet.errors import UserError

_OPTION = "data.negatives"
# Images of files that are read together where others are rows of Parquet files, and their bytes.
_IN_BLOCK, _BYTES = 64, 64 * 2**17


def load_negatives(root: str) -> ImageSet:
    """Returns all images of a folder or table, each of which must be real.

    Raises:
      UserError: where there are none, or one is fake by a table or by its folder's name.
    """
    opened = open_root(root, option=_OPTION, reading=Reading(layout="real_only"))
    if not isinstance(opened, TableRoot):
        raise UserError(f"{_OPTION}={root}: is neither a folder of images nor a table")
    images = opened.load_all(name="negatives")
    if images.labels.any():
        first = images.where(int(np.argmax(images.labels)))
        raise UserError(f"{_OPTION}={root}: {first} is fake; all of them must be real")
    return images


def with_negatives(train: ImageSet, negatives: ImageSet, *, weight: int) -> ImageSet:
    """Returns training images and behind them others, each as often as their weight says."""
    return TrainingSet([train, *[negatives] * weight], name=train.name)


class TrainingSet(JoinedSet):
    """Holds training images, then hard negatives, once or several times."""

    @functools.cached_property
    def ids(self) -> Sequence[str]:
        """Returns the ids, those of negatives below a folder for each time; see ImageSet."""
        return self._listed([self._named(k, one.ids) for k, one in enumerate(self._sets)])

    def stems(self) -> list[str]:
        """Returns the names that pair images; those of negatives pair with none but their own."""
        return self._listed([self._named(k, one.stems()) for k, one in enumerate(self._sets)])

    def group_names(self) -> list[str]:
        """Returns the groups; those of negatives are others than those of training images."""
        return self._listed([self._named(k, one.group_names()) for k, one in enumerate(self._sets)])

    @staticmethod
    def _named(number: int, names: Sequence[str]) -> list[str]:
        return [f"negatives {number}/{one}" if number and one else one for one in names]

    def number_of(self, index: int) -> int:
        """Returns the place: an image that comes again has other random numbers."""
        return index

    @property
    def parts(self) -> Sequence[ImageSet]:
        """Returns the set itself: it is read as one."""
        return (self,)

    @functools.cached_property
    def blocks(self) -> order.Blocks | None:
        """Returns the row groups of training images, and blocks of files behind them."""
        train = self._sets[0].blocks
        if train is None or not self._is_whole:
            return None
        first, count = int(train.number.max()) + 1, len(self) - len(self._sets[0])
        number = first + np.arange(count) // _IN_BLOCK
        sizes = np.full(-(-count // _IN_BLOCK), _BYTES)
        return order.Blocks(
            number=np.concatenate([train.number, number]),
            bytes=np.concatenate([train.bytes, sizes]),
            label=self.labels,
        )
