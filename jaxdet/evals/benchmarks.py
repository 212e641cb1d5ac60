"""Mean and minimum over the generators of a benchmark, and over benchmarks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from jaxdet.results import Overall, Scores, Summary


def over_generators(sets: Mapping[str, Scores]) -> dict[str, Overall]:
    """Returns what the sets of each benchmark come to, by the benchmark's name.

    Args:
      sets: scores by `BENCHMARK.SET`.
    """
    members: dict[str, list[Scores]] = defaultdict(list)
    for name, scores in sets.items():
        members[name.partition(".")[0]].append(scores)
    return {
        name: Overall(
            n=len(own),
            # The AP of images of one label says nothing, and has no AUC beside it.
            ap=_summary(one.ap if one.auc is not None else None for one in own),
            recall=_summary(one.accuracy_fake for one in own),
            balanced_accuracy=_summary(map(_balanced_accuracy, own)),
        )
        for name, own in members.items()
    }


def over_benchmarks(benchmarks: Mapping[str, Overall]) -> Overall | None:
    """Returns mean and minimum of the benchmarks' means: a benchmark of many sets weighs as one.

    None without benchmarks.
    """
    own = list(benchmarks.values())
    if not own:
        return None
    return Overall(
        n=len(own),
        ap=_summary(_mean(one.ap) for one in own),
        recall=_summary(_mean(one.recall) for one in own),
        balanced_accuracy=_summary(_mean(one.balanced_accuracy) for one in own),
    )


def _mean(summary: Summary | None) -> float | None:
    return None if summary is None else summary.mean


def _balanced_accuracy(scores: Scores) -> float | None:
    if scores.accuracy_real is None or scores.accuracy_fake is None:
        return None
    return (scores.accuracy_real + scores.accuracy_fake) / 2


def _summary(shares: Iterable[float | None]) -> Summary | None:
    """Returns mean and minimum of those that are defined; None where none is."""
    defined = [share for share in shares if share is not None]
    if not defined:
        return None
    return Summary(mean=float(np.mean(defined)), minimum=min(defined))
