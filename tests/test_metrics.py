import json
import time
import warnings

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score

from jaxdet import metrics


def _sample(kind, seed, n=300):
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
    return label, score


KINDS = ["plain", "ties", "float32", "constant", "two values", "large"]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", KINDS)
def test_average_precision_and_auc_are_scikit_learns(kind, seed):
    label, score = _sample(kind, seed)
    assert metrics.average_precision(label, score) == pytest.approx(
        average_precision_score(label, score), abs=1e-13
    )
    assert metrics.auc(label, score) == pytest.approx(roc_auc_score(label, score), abs=1e-13)


def test_average_precision_and_auc_of_many_images():
    label, score = _sample("ties", 3, n=200_000)
    score = score + np.random.default_rng(0).integers(0, 3, score.size) / 10
    assert metrics.average_precision(label, score) == pytest.approx(
        average_precision_score(label, score), abs=1e-12
    )
    assert metrics.auc(label, score) == pytest.approx(roc_auc_score(label, score), abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_average_precision_of_every_small_ranking(n):
    for labels in np.ndindex(*(2,) * n):
        for scores in np.ndindex(*(3,) * n):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # scikit-learn's, where there is no fake
                expected = average_precision_score(labels, scores)
            got = metrics.average_precision(np.array(labels), np.array(scores))
            assert got == pytest.approx(expected, abs=1e-13)


def test_average_precision_by_hand():
    # Ranked: fake, real, fake. Half the recall at precision 1, half at precision 2/3.
    got = metrics.average_precision(np.array([0, 1, 1]), np.array([2.0, 3.0, 1.0]))
    assert got == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_one_class():
    ones, zeros, score = np.ones(4, int), np.zeros(4, int), np.array([-1.0, 2, 3, 4])
    assert metrics.average_precision(ones, score) == 1.0
    assert metrics.average_precision(zeros, score) == 0.0
    assert metrics.auc(ones, score) is None
    assert metrics.auc(zeros, score) is None
    assert metrics.accuracy_of(ones, score, which=1) == 0.75
    assert metrics.accuracy_of(ones, score, which=0) is None
    assert metrics.accuracy_of(zeros, score, which=0) == 0.25
    assert metrics.accuracy_of(zeros, score, which=1) is None
    assert metrics.bootstrap_interval(ones, score, draws=10, seed=0) is None
    assert metrics.bootstrap_interval(zeros, score, draws=10, seed=0) is None


def test_accuracy_counts_only_above_zero_as_fake():
    label, logit = np.array([1, 1, 0, 0, 1]), np.array([0.1, 0.0, 0.0, 0.1, 1e-30])
    assert metrics.accuracy(label, logit) == accuracy_score(label, logit > 0) == 0.6
    assert metrics.accuracy_of(label, logit, which=1) == pytest.approx(2 / 3)
    assert metrics.accuracy_of(label, logit, which=0) == 0.5


def test_logits_keep_what_a_float32_sigmoid_loses():
    label, logit = np.array([0, 1]), np.array([20.0, 25.0], np.float32)
    saturated = 1 / (1 + np.exp(-logit))
    assert metrics.average_precision(label, saturated) == 0.5
    assert metrics.average_precision(label, logit) == 1.0


@pytest.mark.parametrize(
    ("label", "score", "message"),
    [
        ([0, 1], [0.0, np.nan], "1 of 2 scores are NaN"),
        ([], [], "N above 0"),
        ([0, 1], [0.0], "N above 0"),
        ([[0, 1]], [[0.0, 1.0]], "N above 0"),
        ([0, 2], [0.0, 1.0], "labels must be 0"),
        ([-1, 1], [0.0, 1.0], "labels must be 0"),
        ([0.5, 1], [0.0, 1.0], "labels must be 0"),
        (["0", "1"], [0.0, 1.0], "labels must be 0"),
    ],
)
@pytest.mark.parametrize(
    "function",
    [
        metrics.average_precision,
        metrics.auc,
        metrics.accuracy,
        metrics.sharpness_floor,
        lambda label, score: metrics.accuracy_of(label, score, which=1),
        lambda label, score: metrics.bootstrap_interval(label, score, draws=5, seed=0),
    ],
)
def test_what_cannot_be_scored_is_refused(function, label, score, message):
    with pytest.raises(ValueError, match=message):
        function(np.array(label), np.array(score))


def test_numbers_are_plain_python_floats():
    label, score = _sample("float32", 0)
    values = [
        metrics.average_precision(label, score),
        metrics.accuracy(label, score),
        metrics.accuracy_of(label, score, which=0),
        metrics.auc(label, score),
        metrics.sharpness_floor(label, score),
        *metrics.bootstrap_interval(label, score, draws=5, seed=0),
    ]
    assert {type(v) for v in values} == {float}
    assert json.loads(json.dumps(values, allow_nan=False)) == values


@pytest.mark.parametrize("sign", [1, -1])
def test_sharpness_floor_takes_the_better_direction(sign):
    label, score = _sample("plain", 1)
    sharpness = sign * score
    forward, backward = (average_precision_score(label, s) for s in (score, -score))
    assert forward > backward
    assert metrics.sharpness_floor(label, sharpness) == pytest.approx(forward)


def test_sharpness_floor_of_unsigned_numbers():
    assert metrics.sharpness_floor(np.array([1, 0]), np.array([1, 200], np.uint8)) == 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_quick_bootstrap_is_the_plain_one(kind, monkeypatch):
    label, score = _sample(kind, 4, n=120)
    monkeypatch.setattr(metrics, "_CHUNK", 7 * 120)  # several chunks, the last one short
    quick = metrics.bootstrap_interval(label, score, draws=60, seed=1)
    plain = metrics.bootstrap_interval(
        label, score, lambda y, s: average_precision_score(y, s), draws=60, seed=1
    )
    assert quick == pytest.approx(plain, abs=1e-12)


def test_bootstrap_agrees_with_a_loop_of_its_own():
    label, score = _sample("plain", 5, n=400)
    rng = np.random.default_rng(99)
    fakes, reals = np.flatnonzero(label == 1), np.flatnonzero(label == 0)
    values = []
    for _ in range(800):
        rows = np.concatenate([rng.choice(reals, reals.size), rng.choice(fakes, fakes.size)])
        values.append(average_precision_score(label[rows], score[rows]))
    expected = np.percentile(values, [2.5, 97.5])
    got = metrics.bootstrap_interval(label, score, draws=5000, seed=0)
    assert got == pytest.approx(expected, abs=0.008)  # the width is 0.11
    assert got[0] < metrics.average_precision(label, score) < got[1]


def test_bootstrap_of_another_metric():
    label, logit = _sample("plain", 6)
    low, high = metrics.bootstrap_interval(label, logit, metrics.accuracy, draws=400, seed=0)
    # The normal approximation, per class, as the draws are.
    shares = [metrics.accuracy_of(label, logit, which=w) for w in (0, 1)]
    counts = [np.sum(label == w) for w in (0, 1)]
    deviation = np.sqrt(sum(c * s * (1 - s) for c, s in zip(counts, shares, strict=True)))
    assert (high - low) / 2 == pytest.approx(1.96 * deviation / label.size, rel=0.15)


def test_bootstrap_follows_from_the_seed():
    label, score = _sample("plain", 7)
    first = metrics.bootstrap_interval(label, score, draws=50, seed=3)
    assert metrics.bootstrap_interval(label, score, draws=50, seed=3) == first
    assert metrics.bootstrap_interval(label, score, draws=50, seed=4) != first


def test_bootstrap_level_and_no_draws():
    label, score = _sample("plain", 8)
    low, high = metrics.bootstrap_interval(label, score, draws=200, seed=0, level=0.5)
    wide_low, wide_high = metrics.bootstrap_interval(label, score, draws=200, seed=0)
    assert wide_low < low < high < wide_high
    assert metrics.bootstrap_interval(label, score, draws=0, seed=0) is None


def test_bootstrap_of_a_full_test_set_takes_seconds():
    label, score = _sample("plain", 9, n=12_000)
    start = time.process_time()
    metrics.bootstrap_interval(label, score, draws=1000, seed=0)
    assert time.process_time() - start < 3  # 0.12 s where it was written
