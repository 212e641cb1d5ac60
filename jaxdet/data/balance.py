"""Draws real images and the fakes of each generator evenly, however many there are of each.

Every other row of a run is real, and the rows between them are of one generator after the other. A
group's images are dealt out in a new order each time all of them were: none comes twice before each
came once. Which image stands in a row follows from the seed and the number of the row alone.
"""

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np

from jaxdet.data import order
from jaxdet.data.images import ImageSet
from jaxdet.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """Holds the images that are drawn evenly, by their places in a set.

    Attributes:
      real: i64, ascending.
      fakes: those of each generator, i64, ascending, by its name in sorted order.
    """

    real: np.ndarray
    fakes: dict[str, np.ndarray]

    def __str__(self) -> str:
        shares = ", ".join(f"{name} ({len(own)})" for name, own in self.fakes.items())
        return f"half of each batch is real ({len(self.real)} images), the rest evenly of {shares}"


def find_groups(images: ImageSet, balance: str) -> Groups | None:
    """Returns what is drawn evenly; None where all images are drawn alike.

    Args:
      images: to train on.
      balance: `data.balance`.

    Raises:
      UserError: where they are of fewer than two generators.
    """
    if balance == "none":
        return None
    codes: dict[str, int] = {}
    named = zip(images.generator_names(), images.ids, strict=True)
    names = (name or one.rpartition("/")[0].rpartition("/")[0] for name, one in named)
    code = np.fromiter((codes.setdefault(one, len(codes)) for one in names), np.int64)
    is_fake = images.labels == 1
    by_name = {name: np.flatnonzero(is_fake & (code == codes[name])) for name in sorted(codes)}
    fakes = {name or "unnamed": own for name, own in by_name.items() if len(own)}
    real = np.flatnonzero(~is_fake)
    if len(fakes) < 2 or not len(real):
        raise UserError(
            f"{images.place}: data.balance={balance}: {len(real)} real images and fakes of "
            f"{len(fakes)} generators ({', '.join(fakes) or 'none'}); it takes reals and two "
            "generators, each a class folder or named by a table's column"
        )
    return Groups(real=real, fakes=fakes)


@functools.lru_cache(maxsize=2)  # as `order.epoch_order`
def balanced_order(
    groups: Groups,
    *,
    seed: int,
    epoch: int,
    steps: int,
    batch_size: int,
    blocks: order.Blocks | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the indices of an epoch's images and how often each came before, i64 [steps, B] both.

    The latter is the number of its group's deal, counted from the beginning of the run.

    Args:
      groups: from which they are drawn.
      seed: of the run.
      epoch: which.
      steps: of an epoch.
      batch_size: of the global batch.
      blocks: in which the images lie; None where each is as cheap to read as any other.
    """
    first = epoch * steps * batch_size
    draw, is_fake = np.divmod(np.arange(first, first + steps * batch_size), 2)
    turn, which = np.divmod(draw, len(groups.fakes))
    drawn, deals = np.empty((2, steps * batch_size), np.int64)
    every = [(groups.real, is_fake == 0, draw)]
    every += [
        (own, (is_fake == 1) & (which == number), turn)
        for number, own in enumerate(groups.fakes.values())
    ]
    for number, (own, rows, draws) in enumerate(every):
        deal = functools.partial(_dealt, own, seed, number, blocks, parts=len(every))
        drawn[rows] = np.concatenate([np.empty(0, np.int64), *_cycles(deal, draws[rows], len(own))])
        deals[rows] = draws[rows] // len(own)
    # Parts of a batch, and the devices, get an even mixture, too.
    mixing = order.random_generator(seed, stream=order.MIXING, epoch=epoch)
    place = mixing.permuted(np.arange(len(drawn)).reshape(steps, batch_size), axis=1)
    return drawn[place], deals[place]


def _cycles(
    deal: "functools.partial[np.ndarray]", draws: np.ndarray, size: int
) -> Iterator[np.ndarray]:
    """Yields what consecutive draws from a group of a size give, one deal after the other."""
    cycle, place = np.divmod(draws, size)
    for own in np.split(np.arange(len(draws)), np.flatnonzero(np.diff(cycle)) + 1):
        if len(own):
            yield deal(int(cycle[own[0]]))[place[own]]


def _dealt(
    own: np.ndarray,
    seed: int,
    number: int,
    blocks: order.Blocks | None,
    cycle: int,
    *,
    parts: int,
) -> np.ndarray:
    """Returns the images of a group in the order of one deal."""
    rng = order.random_generator(seed, stream=order.BALANCE, epoch=cycle, index=number)
    if blocks is None:
        return rng.permutation(own)
    used, place = np.unique(blocks.number[own], return_inverse=True)
    part = order.Blocks(number=place, bytes=blocks.bytes[used], label=blocks.label[own])
    return own[order.block_order(part, rng, parts=parts)]
