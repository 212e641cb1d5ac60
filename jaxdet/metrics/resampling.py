"""Computes how far numbers move when the images are drawn again: percentile bootstrap.

Each draw takes as many real and as many fake images as there are, with replacement, so that
every draw has both classes and the share of fakes, on which AP depends, stays put. It covers
the choice of images only: not another generator, nor another training run.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from jaxdet.metrics.tally import Measure, Tally, checked

# Resampled rows held at a time; bounds the memory to about 100 MB.
_CHUNK = 1_000_000


def bootstrap(
    label: np.ndarray,
    score: np.ndarray,
    measures: Mapping[str, Measure],
    *,
    draws: int,
    seed: int,
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

    Raises:
      ValueError: where label and score are empty, differ in shape, hold NaN or other labels.
    """
    label, score = checked(label, score)
    if draws == 0:
        return {}
    with np.errstate(invalid="ignore", divide="ignore"):  # 0 of 0 images in a draw
        chunks = [
            {name: measure(counts) for name, measure in measures.items()}
            for (counts,) in _resampled(label, [score], draws=draws, seed=seed)
        ]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in measures}


def paired_differences(
    label: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    measure: Measure,
    *,
    draws: int,
    seed: int,
) -> np.ndarray | None:
    """Returns `measure` of the second scores less that of the first in each draw, f64 [draws].

    Both scores are of the same images, and so are those of each draw: what makes an image easy
    or hard for both cancels. None for one class or without draws.

    Raises:
      ValueError: as `bootstrap`.
    """
    checked_label, first = checked(label, first)
    _, second = checked(label, second)
    if draws == 0 or checked_label.all() or not checked_label.any():
        return None
    pairs = _resampled(checked_label, [first, second], draws=draws, seed=seed)
    return np.concatenate([measure(after) - measure(before) for before, after in pairs])


def pooled_draws(
    label: np.ndarray, scores: np.ndarray, measure: Measure, *, draws: int, seed: int
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

    Raises:
      ValueError: as `bootstrap`.
    """
    known = [checked(label, one) for one in scores]
    checked_label, values = known[0][0], np.stack([one for _, one in known])
    if draws == 0 or checked_label.all() or not checked_label.any():
        return None
    is_fake = checked_label == 1
    distinct, place = np.unique(-values, return_inverse=True)
    sides = [place.reshape(values.shape)[:, which] for which in (is_fake, ~is_fake)]
    found = []
    for real_rows, fake_rows in _draws(np.sum(~is_fake), np.sum(is_fake), draws, seed):
        fakes, reals = (
            np.sum([_counted(one[rows], distinct.size) for one in side], axis=0)
            for side, rows in zip(sides, (fake_rows, real_rows), strict=True)
        )
        found.append(measure(Tally(score=-distinct, fakes=fakes, reals=reals)))
    return np.concatenate(found)


def interval(values: np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    """Returns the ends between which the middle `level` of the draws lies."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _resampled(
    label: np.ndarray, scores: Sequence[np.ndarray], *, draws: int, seed: int
) -> Iterator[tuple[Tally, ...]]:
    """Yields chunks of draws: the counts of each list of scores, of the same images for all.

    A draw only changes how often each image counts; nothing is sorted again.
    """
    is_fake = label == 1
    places = [np.unique(-score, return_inverse=True) for score in scores]
    for real_rows, fake_rows in _draws(np.sum(~is_fake), np.sum(is_fake), draws, seed):
        yield tuple(
            Tally(
                score=-distinct,
                fakes=_counted(place[is_fake][fake_rows], distinct.size),
                reals=_counted(place[~is_fake][real_rows], distinct.size),
            )
            for distinct, place in places
        )


def _draws(n_real: int, n_fake: int, draws: int, seed: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Yields chunks of (rows into the reals [c, n_real], rows into the fakes [c, n_fake])."""
    rng = np.random.default_rng(seed)
    chunk = max(1, _CHUNK // (n_real + n_fake))
    for start in range(0, draws, chunk):
        rows = min(chunk, draws - start)
        # Of no images none are drawn, though from a range that is not empty.
        yield tuple(
            rng.integers(max(n, 1), size=(rows, n), dtype=np.int32) for n in (n_real, n_fake)
        )


def _counted(group: np.ndarray, groups: int) -> np.ndarray:
    """Counts how often each group occurs in each row: int [c, n] -> f64 [c, groups]."""
    rows = len(group)
    flat = (group + groups * np.arange(rows)[:, None]).ravel()
    return np.bincount(flat, minlength=rows * groups).reshape(rows, groups).astype(np.float64)
