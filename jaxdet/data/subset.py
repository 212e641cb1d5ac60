"""Samples a fraction of a set: what is held out of training, or what is trained on at all."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from jaxdet.data import order
from jaxdet.data.images import ImageSet
from jaxdet.data.pairs import draw_places


def draw_subset(
    images: ImageSet, *, share: float, seed: int, stream: int, pairs: str = "none"
) -> np.ndarray:
    """Samples a share of each label folder of each class, and returns the indices, sorted.

    At least one image of each folder, so that labels and classes keep their proportions. Partners
    and groups are taken whole: one that is too large for what a folder still lacks is passed over,
    unless the folder would have no image at all.

    Args:
      images: the set.
      share: in (0, 1).
      seed: of the run.
      stream: of the purpose.
      pairs: which images are partners; see `draw_places`.

    Raises:
      UserError: where no real image has a fake partner.
    """
    names, folders = np.unique([i.rsplit("/", 1)[0] for i in images.ids], return_inverse=True)
    lacks = [max(1, round(share * count)) for count in np.bincount(folders)]
    folder = folders.tolist()
    unit_of = _units(images, pairs)
    members, alone = _members(unit_of), np.array_equal(unit_of, np.arange(len(images)))
    is_taken = np.zeros(len(images), np.bool_)

    def take(unit: list[int]) -> None:
        is_taken[unit] = True
        for place in unit:
            lacks[folder[place]] -= 1

    def fits(unit: list[int]) -> bool:
        return all(lacks[one] >= n for one, n in Counter(folder[p] for p in unit).items())

    for number in range(len(names)):
        own = np.flatnonzero(folders == number)
        rng = order.random_generator(seed, stream=stream, index=number)
        drawn = rng.permutation(own).tolist()
        if alone:  # the same images as below, of millions in a moment
            is_taken[drawn[: lacks[number]]] = True
            continue
        for place in drawn:
            if lacks[number] <= 0:
                break
            if not is_taken[place] and fits(members(place)):
                take(members(place))
        if not is_taken[own].any():
            take(min(map(members, drawn), key=len))
    return np.flatnonzero(is_taken)


def _units(images: ImageSet, pairs: str) -> np.ndarray:
    """Returns for each image the first place of those it stays together with, i64 [N].

    Those are its partners and the images of its group, and theirs.
    """
    groups: dict[str, int] = {}
    names = enumerate(images.group_names())
    group = np.array([groups.setdefault(n, place) if n else place for place, n in names], np.int64)
    partner, unit = draw_places(images, pairs), np.arange(len(images))
    while True:
        before = unit.copy()
        for link in (group, partner):
            least = np.full(len(unit), len(unit))
            np.minimum.at(least, link, unit)
            unit = least[link]
        if np.array_equal(unit, before):
            return unit


def _members(unit: np.ndarray) -> Callable[[int], list[int]]:
    """Returns a function that gives the places of all images that one stays together with."""
    order_of = np.argsort(unit, kind="stable")
    starts = np.searchsorted(unit[order_of], unit).tolist()
    stops = np.searchsorted(unit[order_of], unit, side="right").tolist()
    by_unit: list[int] = order_of.tolist()
    return lambda place: by_unit[starts[place] : stops[place]]
