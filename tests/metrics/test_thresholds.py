import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import balanced_accuracy_score, recall_score, roc_curve

from jaxdet import metrics
from tests.metrics.samples import KINDS, sample, small_lists


def _best_of_all(label, score):
    """The best accuracy and its largest threshold, trying each."""
    tried = [np.nextafter(score.max(), np.inf), *sorted(set(score), reverse=True)]
    shares = [np.mean((score >= t) == label) for t in tried]
    return max(shares), tried[int(np.argmax(shares))]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_the_oracle_tries_every_threshold(kind, seed):
    label, score = sample(kind, seed)
    score = np.asarray(score, np.float64)
    assert metrics.oracle(label, score) == pytest.approx(_best_of_all(label, score))


def test_the_oracle_of_every_small_list():
    for label, score in small_lists(4):
        assert metrics.oracle(label, score) == pytest.approx(_best_of_all(label, score))


def test_the_oracle_by_hand():
    label = np.array([1, 1, 0, 0, 0])
    assert metrics.oracle(label, np.array([5.0, 4, 3, 2, 1])) == (1.0, 4.0)
    # Tied images cannot be told apart, and calling nothing fake is best.
    best, threshold = metrics.oracle(label, np.full(5, 3.0))
    assert best == 0.6
    assert 3 < threshold < 3.001


def test_true_rates_name_their_positive_class():
    label, logit = sample("ties", 1)
    fake = metrics.true_rates(label, logit, positive="fake")
    assert metrics.true_rates(label, logit, positive="real") == fake[::-1]
    called = logit > 0
    assert fake == (
        pytest.approx(recall_score(label, called, pos_label=1)),
        pytest.approx(recall_score(label, called, pos_label=0)),
    )
    assert fake == tuple(metrics.accuracy_of(label, logit, which=w) for w in (1, 0))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "infinite"])
@pytest.mark.parametrize("fpr", [0.0, 0.01, 0.05, 1.0])
def test_a_threshold_keeps_its_false_positives(kind, fpr):
    label, logit = sample(kind, 2)
    threshold = metrics.threshold_at_fpr(label, logit, fpr=fpr)
    counts = metrics.tally(label, logit)
    assert metrics.fpr_at(counts, threshold=threshold) <= fpr
    assert metrics.tpr_at(counts, threshold=threshold) == metrics.tpr_at_fpr(label, logit, fpr=fpr)
    assert metrics.tnr_at(counts, threshold=threshold) == pytest.approx(
        1 - metrics.fpr_at(counts, threshold=threshold)
    )
    lower = counts.score[counts.score < threshold]
    if lower.size:
        assert metrics.fpr_at(counts, threshold=lower[0]) > fpr


def test_a_threshold_for_other_images_need_not_occur_among_them():
    counts = metrics.tally(np.array([0, 1, 0, 1]), np.array([1.0, 2, 3, 4]))
    for threshold, tpr, fpr, right in ((0.5, 1, 1, 0.5), (2.5, 0.5, 0.5, 0.5), (5.0, 0, 0, 0.5)):
        assert metrics.tpr_at(counts, threshold=threshold) == tpr
        assert metrics.fpr_at(counts, threshold=threshold) == fpr
        assert metrics.accuracy_at(counts, threshold=threshold) == right


def test_no_threshold_refuses_an_infinite_real():
    label, logit = np.array([0, 0, 1]), np.array([np.inf, 1.0, np.inf])
    assert metrics.threshold_at_fpr(label, logit, fpr=0.1) is None
    assert metrics.threshold_at_fpr(label, logit, fpr=0.5) == np.inf


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "infinite"])
def test_the_best_balanced_accuracy_is_that_of_the_roc_curve(kind):
    label, score = sample(kind, 3)
    counts = metrics.tally(label, score)
    fpr, tpr, _ = roc_curve(label, score, drop_intermediate=False)
    place = int(np.argmax(tpr - fpr))
    best = [
        metrics.value(of, counts)
        for of in (metrics.best_balanced_of, metrics.best_balanced_tpr_of,
                   metrics.best_balanced_tnr_of)
    ]  # fmt: skip
    assert best == pytest.approx([(tpr - fpr + 1)[place] / 2, tpr[place], 1 - fpr[place]])
    called = np.asarray(score) > 0
    assert metrics.value(metrics.balanced_accuracy_at, counts) == pytest.approx(
        balanced_accuracy_score(label, called)
    )


def test_balanced_accuracies_of_one_class_are_not_defined():
    counts = metrics.tally(np.ones(4), np.arange(4.0))
    assert metrics.value(metrics.best_balanced_of, counts) is None
    assert metrics.value(metrics.balanced_accuracy_at, counts) is None
    worse = metrics.tally(np.array([1, 0]), np.array([1.0, 2.0]))  # nothing fake is best
    assert metrics.value(metrics.best_balanced_tpr_of, worse) == 0
    assert metrics.value(metrics.best_balanced_tnr_of, worse) == 1


@pytest.mark.parametrize("n", [368, 500, 5000])
def test_the_interval_of_a_quantile_is_by_order_and_no_wider_than_it_must_be(n):
    low, high = metrics.quantile_interval(np.arange(1.0, n + 1), share=0.99)
    # Ranks, from 1: the quantile lies between both with the binomial's chance.
    below = binom(n, 0.99)
    assert below.cdf(high - 1) - below.cdf(low - 1) >= 0.95
    assert below.cdf(low) > 0.025
    assert below.cdf(high - 2) < 0.975


def test_too_few_values_have_no_such_interval():
    assert metrics.images_for_quantile(0.99) == 368
    with pytest.raises(ValueError, match="367 values are too few"):
        metrics.quantile_interval(np.arange(367.0), share=0.99)
