"""Computes the AUC over the images as they are and after each chain of degradations together."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np

from jaxdet import metrics
from jaxdet.results import Predictions, SetResult


def with_pooled_auc(
    sets: Mapping[str, SetResult],
    clean: Mapping[str, Predictions],
    degraded: Sequence[Mapping[str, Predictions]],
    *,
    draws: int,
    seed: int,
) -> dict[str, SetResult]:
    """Returns the results with the AUC of all scores of a set in one ranking.

    One threshold has to serve images however they were delivered, and the AUC of each condition by
    itself does not see scores that move together. NTIRE 2026 ranks detectors by such an AUC (arXiv
    2604.11487).

    Args:
      sets: by name.
      clean: the scores of each set as it is.
      degraded: those after each chain; [] without chains, and then nothing is added.
      draws: resamples behind each interval; 0: no intervals.
      seed: of the resampling.
    """
    if not degraded:
        return dict(sets)
    pooled = {}
    for name, one in sets.items():
        rows = [clean[name], *(one[name] for one in degraded)]
        label, scores, group = _aligned(rows)
        drawn = metrics.pooled_draws(
            label, scores, metrics.auc_of, draws=draws, seed=seed, group=group
        )
        pooled[name] = dataclasses.replace(
            one,
            pooled_auc=metrics.auc(np.tile(label, len(scores)), scores.ravel()),
            pooled_auc_ci95=None if drawn is None else metrics.interval(drawn),
        )
    return pooled


def _aligned(
    rows: Sequence[Predictions],
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Returns labels [N], scores [K, N] and groups [N] of the images scored in every condition."""
    shared = functools.reduce(np.intersect1d, [one.id for one in rows])
    places = [np.intersect1d(one.id, shared, return_indices=True)[1] for one in rows]
    scores = [one.logit[place] for one, place in zip(rows, places, strict=True)]
    groups = rows[0].groups
    group = None if groups is None else groups[places[0]]
    return rows[0].label[places[0]], np.stack(scores), group
