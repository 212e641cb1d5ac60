"""Computes how far numbers move when the images are drawn again: percentile bootstrap.

Each draw takes as many real and as many fake images as there are, with replacement, so that
every draw has both classes and the share of fakes, on which AP depends, stays put. Images of one
group, such as copies of one picture, are not independent: then as many groups are drawn as there
are, of those with real images alone, with fakes alone and with both. It covers the choice of images
only: not another generator, nor another training run.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from jaxdet.metrics.tally import Measure, Tally, checked

# Of numpy's generators.
Seed = int | Sequence[int]

# Resampled rows held at a time; bounds the memory to about 100 MB.
_CHUNK = 1_000_000


def bootstrap(
    label: np.ndarray,
    score: np.ndarray,
    measures: Mapping[str, Measure],
    *,
    draws: int,
    seed: Seed,
    group: np.ndarray | None = None,
    real_seed: Seed | None = None,
) -> dict[str, np.ndarray]:
    """Returns each measure in each draw, f64 [draws]; {} without draws.

    All measures are taken of the same draws; NaN where a draw does not define one. Of one class
    most are not defined.

    Args:
      label: [N], 0 or 1.
      score: [N].
      measures: functions of a `Tally`, by name.
      draws: number of resamples.
      seed: of the resampling; equal seeds give equal draws.
      group: i64 [N], number of each image's group, below 0 for none; None: no image has one.
      real_seed: of the drawing of the real images alone, so that several lists share it; None: as
        of all others.

    Raises:
      ValueError: where label and score are empty, differ in shape, hold NaN or other labels.
    """
    label, score = checked(label, score)
    if draws == 0:
        return {}
    with np.errstate(invalid="ignore", divide="ignore"):  # 0 of 0 images in a draw
        chunks = [
            {name: measure(counts) for name, measure in measures.items()}
            for (counts,) in _resampled(
                label, [score], draws=draws, seeds=(real_seed, seed), group=group
            )
        ]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in measures}


def paired_differences(
    label: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    measure: Measure,
    *,
    draws: int,
    seed: Seed,
    group: np.ndarray | None = None,
    real_seed: Seed | None = None,
) -> np.ndarray | None:
    """Returns `measure` of the second scores less that of the first in each draw, f64 [draws].

    Both scores are of the same images, and so are those of each draw: what makes an image easy
    or hard for both cancels. `group` and `real_seed` are those of `bootstrap`. None for one class
    or without draws.

    Raises:
      ValueError: as `bootstrap`.
    """
    checked_label, first = checked(label, first)
    _, second = checked(label, second)
    if draws == 0 or checked_label.all() or not checked_label.any():
        return None
    seeds = (real_seed, seed)
    pairs = _resampled(checked_label, [first, second], draws=draws, seeds=seeds, group=group)
    return np.concatenate([measure(after) - measure(before) for before, after in pairs])


def pooled_draws(
    label: np.ndarray,
    scores: np.ndarray,
    measure: Measure,
    *,
    draws: int,
    seed: int,
    group: np.ndarray | None = None,
) -> np.ndarray | None:
    """Returns a measure over several scores of each image together, in each draw, f64 [draws].

    Images are drawn, each with all of its scores: those of one image are not independent. None for
    one class or without draws.

    Args:
      label: [N], 0 or 1.
      scores: [K, N].
      measure: function of a `Tally`.
      draws: number of resamples.
      seed: of the resampling.
      group: as of `bootstrap`.

    Raises:
      ValueError: as `bootstrap`.
    """
    known = [checked(label, one) for one in scores]
    checked_label, values = known[0][0], np.stack([one for _, one in known])
    if draws == 0 or checked_label.all() or not checked_label.any():
        return None
    distinct, place = np.unique(-values, return_inverse=True)
    places, found = place.reshape(values.shape), []
    for drawn in _draws(checked_label, draws=draws, seeds=(None, seed), group=group):
        reals, fakes = (
            np.sum([drawn.counts(one, which, distinct.size) for one in places], axis=0)
            for which in (0, 1)
        )
        found.append(measure(Tally(score=-distinct, fakes=fakes, reals=reals)))
    return np.concatenate(found)


def shared_reals(keys: Mapping[str, bytes]) -> dict[str, int | None]:
    """Returns a number for the real images of each list, equal where lists share them.

    None for those of one list alone, and where there are none.

    Args:
      keys: what tells the real images of a list from others; b"" for none.
    """
    members: dict[bytes, list[str]] = {}
    for name, key in keys.items():
        members.setdefault(key, []).append(name)
    numbers = {key: number for number, key in enumerate(members)}
    return {
        name: numbers[key] if key and len(members[key]) > 1 else None for name, key in keys.items()
    }


def interval(values: np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    """Returns the ends between which the middle `level` of the draws lies."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclasses.dataclass(frozen=True)
class _Images:
    """Holds some draws of single images: rows into the reals and into the fakes, [c, n] each."""

    label: np.ndarray
    rows: tuple[np.ndarray, np.ndarray]

    def counts(self, place: np.ndarray, which: int, size: int) -> np.ndarray:
        """Counts how often each place < size occurs among the images of a label, f64 [c, size]."""
        return _counted(place[self.label == which][self.rows[which]], size)


@dataclasses.dataclass(frozen=True)
class _Weights:
    """Holds some draws of groups: how often each image is drawn, f64 [c, N]."""

    label: np.ndarray
    weights: np.ndarray

    def counts(self, place: np.ndarray, which: int, size: int) -> np.ndarray:
        """Counts as those of `_Images` are."""
        chosen = np.flatnonzero(self.label == which)
        found = np.zeros((len(self.weights), size))
        if not chosen.size:
            return found
        chosen = chosen[np.argsort(place[chosen], kind="stable")]
        there, starts = np.unique(place[chosen], return_index=True)
        found[:, there] = np.add.reduceat(self.weights[:, chosen], starts, axis=1)
        return found


# Of the drawing of real images alone, None for that of all others, and of these.
_Seeds = tuple[Seed | None, Seed]


def _resampled(
    label: np.ndarray,
    scores: Sequence[np.ndarray],
    *,
    draws: int,
    seeds: _Seeds,
    group: np.ndarray | None,
) -> Iterator[tuple[Tally, ...]]:
    """Yields chunks of draws: the counts of each list of scores, of the same images for all.

    A draw only changes how often each image counts; nothing is sorted again.
    """
    places = [np.unique(-score, return_inverse=True) for score in scores]
    for drawn in _draws(label, draws=draws, seeds=seeds, group=group):
        yield tuple(
            Tally(
                score=-distinct,
                fakes=drawn.counts(place, 1, distinct.size),
                reals=drawn.counts(place, 0, distinct.size),
            )
            for distinct, place in places
        )


def _draws(
    label: np.ndarray, *, draws: int, seeds: _Seeds, group: np.ndarray | None
) -> Iterator[_Images | _Weights]:
    """Yields chunks of draws, of single images where none has a group."""
    others = np.random.default_rng(seeds[1])
    reals = others if seeds[0] is None else np.random.default_rng(seeds[0])
    chunk = max(1, _CHUNK // len(label))
    sizes = [min(chunk, draws - start) for start in range(0, draws, chunk)]
    if group is None or (group < 0).all():
        counts = [(rng, int(np.sum(label == which))) for which, rng in ((0, reals), (1, others))]
        for size in sizes:
            # Of no images none are drawn, though from a range that is not empty.
            real, fake = (rng.integers(max(n, 1), size=(size, n), dtype=np.int32)
                          for rng, n in counts)  # fmt: skip
            yield _Images(label, (real, fake))
        return
    unit, kind = _units(label, group)
    for size in sizes:
        times = np.zeros((size, len(kind)))
        for which, rng in ((_REAL, reals), (_FAKE, others), (_BOTH, others)):
            own = np.flatnonzero(kind == which)
            drawn = rng.integers(max(own.size, 1), size=(size, own.size), dtype=np.int32)
            times[:, own] = _counted(drawn, own.size) if own.size else 0.0
        yield _Weights(label, times[:, unit])


_REAL, _FAKE, _BOTH = range(3)


def _units(label: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the unit that each image is drawn with, i64 [N], and the kind of each unit, [U].

    An image without a group is a unit of its own.
    """
    alone = np.flatnonzero(group < 0)
    named = np.unique(group[group >= 0])
    unit = np.searchsorted(named, group)
    unit[alone] = len(named) + np.arange(len(alone))
    count = len(named) + len(alone)
    has_real, has_fake = (np.bincount(unit[label == one], minlength=count) > 0 for one in (0, 1))
    return unit, np.where(has_real & has_fake, _BOTH, np.where(has_fake, _FAKE, _REAL))


def _counted(group: np.ndarray, groups: int) -> np.ndarray:
    """Counts how often each group occurs in each row: int [c, n] -> f64 [c, groups]."""
    rows = len(group)
    flat = (group + groups * np.arange(rows)[:, None]).ravel()
    return np.bincount(flat, minlength=rows * groups).reshape(rows, groups).astype(np.float64)
