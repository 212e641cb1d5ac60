"""Computes mean and minimum over the generators of a benchmark, and over benchmarks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from jaxdet.results import Figure, Overall, Scores, Summary

# Fields of `Overall` that are summed up.
_NUMBERS = ("ap", "auc", "accuracy", "recall", "accuracy_real", "balanced_accuracy")
_NONE: Mapping[str, list[Figure]] = MappingProxyType({})


def over_generators(
    sets: Mapping[str, Scores], published: Mapping[str, list[Figure]] = _NONE
) -> dict[str, Overall]:
    """Returns what the sets of each benchmark come to, by the benchmark's name.

    Args:
      sets: scores by `BENCHMARK.SET`.
      published: what others report, by the benchmark's name.
    """
    members: dict[str, list[dict[str, float | None]]] = defaultdict(list)
    for name, scores in sets.items():
        members[name.partition(".")[0]].append(_numbers(scores))
    return {name: _overall(own, published.get(name, [])) for name, own in members.items()}


def over_benchmarks(benchmarks: Mapping[str, Overall]) -> Overall | None:
    """Returns mean and minimum of the benchmarks' means: a benchmark of many sets weighs as one.

    None without benchmarks.
    """
    means = [
        {name: _mean(getattr(overall, name)) for name in _NUMBERS}
        for overall in benchmarks.values()
    ]
    return _overall(means, []) if means else None


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


def _overall(rows: Sequence[Mapping[str, float | None]], published: list[Figure]) -> Overall:
    summaries = {name: _summary(row[name] for row in rows) for name in _NUMBERS}
    return Overall(n=len(rows), **summaries, published=published)


def _summary(shares: Iterable[float | None]) -> Summary | None:
    """Returns mean and minimum of those that are defined; None where none is."""
    defined = [share for share in shares if share is not None]
    if not defined:
        return None
    return Summary(mean=float(np.mean(defined)), minimum=min(defined))
