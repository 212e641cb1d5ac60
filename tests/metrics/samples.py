"""Scores to measure: plain, tied, constant, huge."""

import numpy as np

KINDS = ["plain", "ties", "float32", "constant", "two values", "large", "infinite"]


def sample(kind, seed, n=300):
    """(label [n], a third fake; score [n])."""
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.arange(n) % 3 == 0).astype(np.int32)
    score = rng.normal(label * 0.7, 1.0)
    if kind == "ties":
        score = np.round(score * 2)
    if kind == "float32":
        score = score.astype(np.float32)
    if kind == "constant":
        score = np.full(n, 2.5)
    if kind == "two values":
        score = (score > 0).astype(float)
    if kind == "large":
        score = score * 1e30
    if kind == "infinite":
        score = np.where(score > 1, np.inf, np.where(score < -1, -np.inf, score))
    return label, score


def small_lists(n, values=3):
    """Every list of n labels with both classes, with every list of n scores out of a few."""
    for labels in np.ndindex(*(2,) * n):
        if 0 < sum(labels) < n:
            for scores in np.ndindex(*(values,) * n):
                yield np.array(labels), np.array(scores, float)


def ranks(score):
    """The same order in whole numbers: scikit-learn takes no infinities."""
    return np.unique(score, return_inverse=True)[1]
