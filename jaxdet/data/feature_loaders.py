"""Loads what a frozen tower saw, out of stores, where others load pixels."""

import dataclasses

import numpy as np

from jaxdet.data.batches import Batch, empty_batch
from jaxdet.data.features import FeatureStore
from jaxdet.data.loaders import EvalLoader, Shard, TrainLoader
from jaxdet.data.readers import Reader


@dataclasses.dataclass(frozen=True, kw_only=True)
class ViewLoader:
    """Makes batches of the images of a training loader in the order of their set, in one view.

    Attributes:
      load: gives them; its augmentation shows the view in `epoch`.
      epoch: which.
    """

    load: TrainLoader
    epoch: int = 0

    @property
    def batch_bytes(self) -> int:
        """Returns the size of the pixels in a batch, bytes."""
        return self.load.batch_bytes

    def __call__(self, step: int) -> Batch:
        """Returns the batch of a number; the last one is short."""
        first, size = step * self.load.batch_size, self.load.batch_size
        last = min(first + size, len(self.load.read.images))
        return self.load.rows(range(first, last), epoch=self.epoch)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureTrainLoader:
    """Makes the training batch of each step as another loader does, from what its images look like.

    Attributes:
      load: says which images stand in a batch, and is not asked for their pixels.
      stores: one for each of `augment.views`.
    """

    load: TrainLoader
    stores: tuple[FeatureStore, ...]

    @property
    def read(self) -> Reader:
        """Returns the reader of the images."""
        return self.load.read

    @property
    def shard(self) -> Shard:
        """Returns this host's shard of a batch."""
        return self.load.shard

    @property
    def batch_bytes(self) -> int:
        """Returns the size of what is seen of a batch, bytes."""
        return self.load.batch_size * 4 * int(np.prod(self.stores[0].layout.shape))

    def __call__(self, step: int) -> Batch:
        """Returns the batch of a step."""
        epoch, _, indices, _ = self.load.position(step)
        batch = empty_batch(len(indices), self.stores[0].layout.shape, np.float32)
        numbers = self.load.view_numbers(indices, epoch=epoch)
        for number, store in enumerate(self.stores):
            where = np.flatnonzero(numbers == number)
            store.fill(batch, where, indices[where])
        batch["label"][:] = self.read.images.labels[batch["index"]]
        return batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureEvalLoader:
    """Makes the batch of each number as another loader does, from what its images look like.

    Attributes:
      load: says which images stand in a batch, and is not asked for their pixels.
      store: of these images.
    """

    load: EvalLoader
    store: FeatureStore

    @property
    def read(self) -> Reader:
        """Returns the reader of the images."""
        return self.load.read

    @property
    def batch_size(self) -> int:
        """Returns the number of rows in a batch."""
        return self.load.batch_size

    @property
    def steps(self) -> int:
        """Returns the number of batches that hold all images."""
        return self.load.steps

    @property
    def batch_bytes(self) -> int:
        """Returns the size of what is seen of a batch, bytes."""
        return self.batch_size * 4 * int(np.prod(self.store.layout.shape))

    def __call__(self, step: int) -> Batch:
        """Returns the batch of a number; the last one is padded."""
        batch = empty_batch(self.batch_size, self.store.layout.shape, np.float32)
        places = np.arange(len(self.store))[step * self.batch_size :][: self.batch_size]
        self.store.fill(batch, np.arange(len(places)), places)
        batch["label"][: len(places)] = self.read.images.labels[places]
        return batch
