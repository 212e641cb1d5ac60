"""Makes one batch of arrays from one position in a run, as a pure function of the position.

A grain element here is a whole batch: a batch as a pure function of the step makes the
position of a run one integer, and spares grain's work for each image.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from jaxdet.config.augment import Augment
from jaxdet.data import order
from jaxdet.data.augment import (
    Crop,
    Operation,
    Recipe,
    Resize,
    TooSmallError,
    apply_all,
    published_validation,
)
from jaxdet.data.balance import Groups, balanced_order, find_groups
from jaxdet.data.batches import Batch, empty_batch
from jaxdet.data.disturb import Chain, Disturbance
from jaxdet.data.images import LABEL_FOLDERS
from jaxdet.data.ops import laplacian_variance
from jaxdet.data.ops.sides import RefusedSizeError
from jaxdet.data.pairs import draw_places
from jaxdet.data.readers import Reader
from jaxdet.errors import BadImageError, UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shard:
    """Describes this host's shard of each global batch: an equal run of rows for each host."""

    host: int = 0
    hosts: int = 1

    def rows(self, batch_size: int) -> slice:
        """Returns this host's shard of a global batch, as rows."""
        size = batch_size // self.hosts
        return slice(self.host * size, (self.host + 1) * size)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainLoader:
    """Makes the training batch of each step, shuffled and augmented anew each epoch.

    Attributes:
      pairs: which images get the same random numbers; see `draw_places`.
      balance: what is drawn evenly; see `find_groups`.
    """

    read: Reader
    augment: Augment
    seed: int
    batch_size: int
    shard: Shard = Shard()
    pairs: str = "none"
    balance: str = "none"
    groups: Groups | None = dataclasses.field(init=False, repr=False)
    _recipe: Recipe = dataclasses.field(init=False, repr=False)
    _draws: np.ndarray = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Here and not where it is used: a worker has no names that the user gave.
        object.__setattr__(self, "_recipe", Recipe(self.augment))
        object.__setattr__(self, "_draws", draw_places(self.read.images, self.pairs))
        object.__setattr__(self, "groups", find_groups(self.read.images, self.balance))

    @property
    def batch_bytes(self) -> int:
        """Returns the size of the pixels in this host's shard of one batch, bytes."""
        return self.batch_size // self.shard.hosts * self.augment.crop**2 * 3

    def __call__(self, step: int) -> Batch:
        """Returns this host's shard of the batch of a step."""
        epoch, place, indices, deals = self.position(step)
        return self.rows(indices, epoch=epoch, place=place, deals=deals)

    def position(self, step: int) -> tuple[int, int, np.ndarray, np.ndarray | None]:
        """Returns a step's epoch, its number in it, this host's images and their deals, if any."""
        n = len(self.read.images)
        steps = order.steps_per_epoch(n, batch_size=self.batch_size)
        epoch, place = divmod(step, steps)
        shared = {"seed": self.seed, "epoch": epoch, "batch_size": self.batch_size}
        blocks, rows = self.read.images.blocks, self.shard.rows(self.batch_size)
        if self.groups is None:
            return epoch, place, order.epoch_order(n, **shared, blocks=blocks)[place, rows], None
        drawn, deals = balanced_order(self.groups, **shared, steps=steps, blocks=blocks)
        return epoch, place, drawn[place, rows], deals[place, rows]

    def rows(
        self, indices: Sequence[int] | np.ndarray, *,
        epoch: int, place: int = 0, deals: np.ndarray | None = None,
    ) -> Batch:  # fmt: skip
        """Returns a batch of the images at given places, as an epoch or their deals show them."""
        batch = empty_batch(len(indices), (self.augment.crop, self.augment.crop, 3))
        shared = place if self.augment.scope == "batch" else None
        streams = partial(order.Streams, self.seed, "train", epoch, batch=shared)
        for row, index in enumerate(indices):
            deal = None if deals is None else int(deals[row])
            self._fill(batch, row, int(index), streams(image=int(self._draws[index]), deal=deal))
        return batch

    def view_numbers(self, indices: np.ndarray, *, epoch: int) -> np.ndarray:
        """Returns which view of `augment.views` an epoch shows of each image at given places."""
        numbers: np.ndarray = self._recipe.view_number(epoch=epoch, image=self._draws[indices])
        return numbers

    def _fill(self, batch: Batch, row: int, index: int, streams: order.Streams) -> None:
        write = partial(self._recipe, streams=streams, out=batch["image"][row])
        labels = self.read.images.labels
        used = next((one for one in self._alike(index) if _written(self.read, one, write)), None)
        if used is None:
            raise BadImageError(
                f"{self.read.images.place}: no {LABEL_FOLDERS[labels[index]]} image can be read"
            )
        batch["label"][row] = labels[used]
        batch["index"][row] = used
        batch["valid"][row] = True
        batch["bad"][row] = -1 if used == index else index

    def _alike(self, index: int) -> Iterator[int]:
        """Yields the place of an image, then those of the next ones of its label."""
        labels = self.read.images.labels
        places = ((index + offset) % len(labels) for offset in range(len(labels)))
        return (place for place in places if labels[place] == labels[index])


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvalLoader:
    """Makes the batch of each number: the images in the order of the set, each exactly once.

    The last batch is padded.

    Attributes:
      resize: shorter side, pixels; 0 for none.
      kernel: by which; one of `config.augment.KERNELS`.
      disturb: what happens to the whole image before it is resized or cropped.
      augment: the settings of training whose coins fall on validation images too, anew each
        epoch; None for clean images.
      as_published: with `augment`, whether what the coins bring is CNNDetection's middle of each
        range, or all that happens to training images.
      seed: with `augment`, what the coins follow from.
      epoch: with `augment`, whose coins they are.
    """

    read: Reader
    crop: int
    batch_size: int
    resize: int = 0
    kernel: str = "bilinear"
    disturb: Disturbance | Chain | None = None
    augment: Augment | None = None
    as_published: bool = True
    seed: int = 0
    epoch: int = 0
    shard: Shard = Shard()
    _recipe: Recipe | None = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        augment = self.augment
        if augment is not None and self.as_published:
            augment = published_validation(augment)
        object.__setattr__(self, "_recipe", augment and Recipe(augment))

    @property
    def batch_bytes(self) -> int:
        """Returns the size of the pixels in this host's shard of one batch, bytes."""
        return self.batch_size // self.shard.hosts * self.crop**2 * 3

    @property
    def steps(self) -> int:
        """Returns the number of batches that hold all images."""
        return order.steps_per_epoch(len(self.read.images), batch_size=self.batch_size)

    def __call__(self, step: int) -> Batch:
        """Returns this host's shard of the batch of a number."""
        rows = self.shard.rows(self.batch_size)
        batch = empty_batch(rows.stop - rows.start, (self.crop, self.crop, 3))
        first = step * self.batch_size + rows.start
        last = min(first + rows.stop - rows.start, len(self.read.images))
        for index in range(first, last):
            self._fill(batch, index - first, index, step)
        return batch

    def _fill(self, batch: Batch, row: int, index: int, step: int) -> None:
        batch["label"][row] = self.read.images.labels[index]
        batch["index"][row] = index
        write = partial(self._write, index=index, step=step, out=batch["image"][row])
        if not _written(self.read, index, write):
            batch["bad"][row] = index
            return
        batch["sharpness"][row] = laplacian_variance(batch["image"][row])
        batch["valid"][row] = True

    def _write(self, pixels: np.ndarray, *, index: int, step: int, out: np.ndarray) -> None:
        if self._recipe is None:
            apply_all(self._operations(index), pixels, out=out)
            return
        shared = step if self._recipe.augment.scope == "batch" else None
        streams = order.Streams(self.seed, "validation", self.epoch, index, shared)
        self._recipe(pixels, streams, out=out)

    def _operations(self, index: int) -> list[Operation]:
        """Returns what happens to an image without coins."""
        number = self.read.images.number_of(index)
        disturbing = self.disturb.operations(number) if self.disturb else []
        resizing = [Resize(self.resize, self.kernel)] if self.resize else []
        return [*disturbing, *resizing, Crop(side=self.crop)]


def _written(read: Reader, index: int, write: Callable[[np.ndarray], None]) -> bool:
    """Returns whether an image can be read and written; False for one that is passed over.

    Raises:
      BadImageError: naming one that is not passed over.
      UserError: naming one that a random crop does not fit in.
    """
    pixels = read(index)
    if pixels is None:
        return False
    try:
        write(pixels)
    except TooSmallError as error:
        raise UserError(
            f"{read.images.where(index)}: {error}; set --config.augment.resize, a smaller "
            "--config.augment.crop, or --config.augment.small_images=pad"
        ) from None
    except RefusedSizeError as error:  # too large once it is resized
        read.pass_over(index, error)
        return False
    return True
