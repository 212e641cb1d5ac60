"""Computes mean and minimum over the generators of a benchmark, and over benchmarks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from jaxdet import metrics
from jaxdet.evals.drawn import Drawn
from jaxdet.results import Figure, Overall, Scores, Summary

# Fields of `Overall` that are summed up.
_NUMBERS = ("ap", "auc", "accuracy", "recall", "accuracy_real", "balanced_accuracy")
_NONE: Mapping[str, list[Figure]] = MappingProxyType({})
_UNDRAWN: Drawn = MappingProxyType({})


def over_generators(
    sets: Mapping[str, Scores],
    published: Mapping[str, list[Figure]] = _NONE,
    drawn: Drawn = _UNDRAWN,
) -> dict[str, Overall]:
    """Returns what the sets of each benchmark come to, by the benchmark's name.

    Args:
      sets: scores by `BENCHMARK.SET`.
      published: what others report, by the benchmark's name.
      drawn: the measures of each set in resamples, for intervals; {}: there are none.
    """
    members: dict[str, list[dict[str, float | None]]] = defaultdict(list)
    for name, scores in sets.items():
        members[name.partition(".")[0]].append(_numbers(scores))
    own_draws = _by_benchmark(drawn)
    return {
        name: _overall(own, published.get(name, []), own_draws.get(name, []))
        for name, own in members.items()
    }


def over_benchmarks(benchmarks: Mapping[str, Overall], drawn: Drawn = _UNDRAWN) -> Overall | None:
    """Returns mean and minimum of the benchmarks' means: a benchmark of many sets weighs as one.

    None without benchmarks. `drawn` is that of `over_generators`.
    """
    means = [
        {name: _mean(getattr(overall, name)) for name in _NUMBERS}
        for overall in benchmarks.values()
    ]
    draws = [
        {name: np.mean(ones, axis=0) for name in _NUMBERS if (ones := _drawn_of(own, name))}
        for own in _by_benchmark(drawn).values()
    ]
    return _overall(means, [], draws) if means else None


def _by_benchmark(drawn: Drawn) -> dict[str, list[Mapping[str, np.ndarray]]]:
    found: dict[str, list[Mapping[str, np.ndarray]]] = defaultdict(list)
    for name, own in drawn.items():
        found[name.partition(".")[0]].append(own)
    return found


def _drawn_of(sets: Sequence[Mapping[str, np.ndarray]], name: str) -> list[np.ndarray]:
    """Returns the draws of a measure of each set that defines it."""
    return [own[name] for own in sets if name in own]


def _mean(summary: Summary | None) -> float | None:
    return None if summary is None else summary.mean


def _numbers(scores: Scores) -> dict[str, float | None]:
    real, fake = scores.accuracy_real, scores.accuracy_fake
    return {
        "ap": scores.ap,
        "auc": scores.auc,
        # Of one label it is the recall, or the accuracy on real images, which stand below.
        "accuracy": None if real is None or fake is None else scores.accuracy,
        "recall": fake,
        "accuracy_real": real,
        "balanced_accuracy": None if real is None or fake is None else (real + fake) / 2,
    }


def _overall(
    rows: Sequence[Mapping[str, float | None]],
    published: list[Figure],
    draws: Sequence[Mapping[str, np.ndarray]],
) -> Overall:
    summaries = {
        name: _summary((row[name] for row in rows), _drawn_of(draws, name)) for name in _NUMBERS
    }
    return Overall(n=len(rows), **summaries, published=published)


def _summary(shares: Iterable[float | None], draws: Sequence[np.ndarray]) -> Summary | None:
    """Returns mean and minimum of those that are defined, with intervals; None where none is."""
    defined = [share for share in shares if share is not None]
    if not defined:
        return None
    mean, least = float(np.mean(defined)), min(defined)
    if len(draws) != len(defined):
        return Summary(mean=mean, minimum=least)
    return Summary(
        mean=mean,
        minimum=least,
        mean_ci95=metrics.interval(np.mean(draws, axis=0)),
        minimum_ci95=metrics.interval(np.min(draws, axis=0)),
    )
