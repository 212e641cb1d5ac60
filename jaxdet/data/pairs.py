"""Couples each real image with a fake made from it, which gets the same random numbers.

What is trained on is then the difference between the two and not that of their crops, compression
or colours: Dual Data Alignment (Chen et al., NeurIPS 2025), B-Free (Guillaro et al., CVPR 2025),
DRCT (Chen et al., ICML 2024).
"""

import numpy as np

from jaxdet.data.images import ImageSet
from jaxdet.errors import UserError


def draw_places(images: ImageSet, pairs: str) -> np.ndarray:
    """Returns the place whose random numbers each image gets, i64 [N]: that of its first partner.

    An image without a partner of the other label keeps its own. Which images are read, and in which
    order, does not follow from it.

    Args:
      images: the set.
      pairs: "none"; "name": images of one category and generator whose files are named alike but
        for the ending, where a generator has both labels, and else those of all others; "group":
        those of one group of a table.

    Raises:
      UserError: where no real image has a fake partner.
    """
    own = np.arange(len(images))
    if pairs == "none":
        return own
    keys = _names(images) if pairs == "name" else images.group_names()
    codes: dict[str, int] = {}
    key = np.fromiter((codes.setdefault(one, len(codes)) for one in keys), np.int64, len(keys))
    both = np.array([bool(one) for one in codes], np.bool_)
    for label in (0, 1):
        both &= np.bincount(key[images.labels == label], minlength=len(codes)) > 0
    if not both.any():
        what = "no two files are named alike" if pairs == "name" else "no group has both labels"
        raise UserError(
            f"{images.place}: data.pairs={pairs}: {what}, one real and one fake; see "
            "docs/reference/tables.md"
        )
    first = np.full(len(codes), len(images))
    np.minimum.at(first, key, own)
    return np.where(both[key], first[key], own)


def _names(images: ImageSet) -> list[str]:
    """Returns what partners are called alike; "" for an image without a name."""
    generators, labels = images.generator_names(), images.labels.tolist()
    said = set(zip(generators, labels, strict=True))
    own = {word for word in set(generators) if {(word, 0), (word, 1)} <= said}
    return [
        stem and f"{generator if generator in own else ''}/{stem}"
        for generator, stem in zip(generators, images.stems(), strict=True)
    ]
