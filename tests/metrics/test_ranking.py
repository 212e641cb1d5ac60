import json
import warnings

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score, roc_curve

from jaxdet import metrics
from tests.metrics.samples import KINDS, ranks, sample, small_lists


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", KINDS)
def test_average_precision_and_auc_are_scikit_learns(kind, seed):
    label, score = sample(kind, seed)
    assert metrics.average_precision(label, score) == pytest.approx(
        average_precision_score(label, ranks(score)), abs=1e-13
    )
    assert metrics.auc(label, score) == pytest.approx(roc_auc_score(label, ranks(score)), abs=1e-13)


def test_average_precision_and_auc_of_many_images():
    label, score = sample("ties", 3, n=200_000)
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
    for label in (ones, zeros):
        assert metrics.eer(label, score) is None
        assert metrics.tpr_at_fpr(label, score, fpr=0.05) is None
        assert metrics.oracle(label, score) is None
        assert metrics.fit_temperature(label, score) is None
    assert metrics.true_rates(ones, score, positive="fake") == (0.75, None)
    assert metrics.true_rates(zeros, score, positive="fake") == (None, 0.25)
    assert metrics.threshold_at_fpr(ones, score, fpr=0.05) is None


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
        metrics.eer,
        metrics.oracle,
        metrics.log_loss,
        metrics.brier_score,
        metrics.calibration_error,
        metrics.fit_temperature,
        lambda label, score: metrics.tpr_at_fpr(label, score, fpr=0.05),
        lambda label, score: metrics.threshold_at_fpr(label, score, fpr=0.05),
        lambda label, score: metrics.true_rates(label, score, positive="real"),
        lambda label, score: metrics.bootstrap(label, score, {}, draws=5, seed=0),
        lambda label, score: metrics.paired_differences(
            label, score, score, metrics.ap_of, draws=5, seed=0
        ),
    ],
)
def test_what_cannot_be_scored_is_refused(function, label, score, message):
    with pytest.raises(ValueError, match=message):
        function(np.array(label), np.array(score))


def test_numbers_are_plain_python_floats():
    label, score = sample("float32", 0)
    values = [
        metrics.average_precision(label, score),
        metrics.accuracy(label, score),
        metrics.accuracy_of(label, score, which=0),
        metrics.auc(label, score),
        metrics.sharpness_floor(label, score),
        metrics.eer(label, score),
        metrics.tpr_at_fpr(label, score, fpr=0.05),
        metrics.threshold_at_fpr(label, score, fpr=0.05),
        *metrics.oracle(label, score),
        metrics.log_loss(label, score),
        metrics.brier_score(label, score),
        metrics.calibration_error(label, score),
        metrics.fit_temperature(label, score),
        *metrics.interval(np.arange(5.0)),
    ]
    assert {type(v) for v in values} == {float}
    assert json.loads(json.dumps(values, allow_nan=False)) == values


@pytest.mark.parametrize("sign", [1, -1])
def test_sharpness_floor_takes_the_better_direction(sign):
    label, score = sample("plain", 1)
    sharpness = sign * score
    forward, backward = (average_precision_score(label, s) for s in (score, -score))
    assert forward > backward
    assert metrics.sharpness_floor(label, sharpness) == pytest.approx(forward)


def test_sharpness_floor_of_unsigned_numbers():
    assert metrics.sharpness_floor(np.array([1, 0]), np.array([1, 200], np.uint8)) == 1.0


def _eer_of_curve(label, score):
    """The crossing with the falling diagonal, walked along scikit-learn's ROC curve."""
    fpr, tpr, _ = roc_curve(label, ranks(score), drop_intermediate=False)
    for left in range(len(fpr) - 1):
        low, high = (fpr[i] + tpr[i] - 1 for i in (left, left + 1))
        if low <= 0 <= high:
            share = 0.0 if low == high else -low / (high - low)
            return fpr[left] + share * (fpr[left + 1] - fpr[left])
    raise AssertionError("no crossing")


def _tpr_of_curve(label, score, fpr):
    false, true, _ = roc_curve(label, ranks(score), drop_intermediate=False)
    return max(true[false <= fpr + 1e-12])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_error_rates_are_those_of_scikit_learns_curve(kind, seed):
    label, score = sample(kind, seed)
    assert metrics.eer(label, score) == pytest.approx(_eer_of_curve(label, score), abs=1e-12)
    for fpr in (0.01, 0.05, 0.5):
        got = metrics.tpr_at_fpr(label, score, fpr=fpr)
        assert got == pytest.approx(_tpr_of_curve(label, score, fpr), abs=1e-12)


def test_error_rates_of_every_small_ranking():
    for label, score in small_lists(4):
        assert metrics.eer(label, score) == pytest.approx(_eer_of_curve(label, score), abs=1e-12)
        got = metrics.tpr_at_fpr(label, score, fpr=1 / 3)
        assert got == pytest.approx(_tpr_of_curve(label, score, 1 / 3), abs=1e-12)


def test_error_rates_by_hand():
    label, score = np.array([1, 1, 0, 1, 0, 0]), np.array([6.0, 5, 4, 3, 2, 1])
    assert metrics.eer(label, score) == pytest.approx(1 / 3)
    assert metrics.eer(label, -score) == pytest.approx(2 / 3)
    assert metrics.eer(label, np.zeros(6)) == 0.5
    assert metrics.eer(label, label) == 0.0
    assert metrics.tpr_at_fpr(label, score, fpr=0.0) == pytest.approx(2 / 3)
    assert metrics.tpr_at_fpr(label, score, fpr=0.34) == 1.0
    assert metrics.tpr_at_fpr(label, np.zeros(6), fpr=0.05) == 0.0


@pytest.mark.parametrize("n", [20, 60, 100, 140])
def test_an_allowed_share_that_is_a_whole_number_of_reals_is_allowed(n):
    # 0.05 of the reals lie above the fake; a share rounded down would miss it.
    label = np.array([0] * n + [1])
    score = np.concatenate([np.arange(n, dtype=float), [n - n // 20 - 0.5]])
    assert metrics.tpr_at_fpr(label, score, fpr=0.05) == 1.0
    assert metrics.tpr_at_fpr(label, score, fpr=0.05 - 0.1 / n) == 0.0
