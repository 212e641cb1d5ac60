import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from jaxdet import metrics


def log_loss(bias, real, fake):
    return np.logaddexp(0, real + bias).sum() + np.logaddexp(0, -fake - bias).sum()


@pytest.mark.parametrize("seed", range(8))
def test_the_bias_has_the_smallest_log_loss(seed):
    rng = np.random.default_rng(seed)
    real, fake = rng.normal(-3, 2, 128), rng.normal(rng.uniform(-3, 3), 2, rng.integers(1, 200))
    found = minimize(lambda b: log_loss(b[0], real, fake), [0.0], tol=1e-12)
    assert metrics.fit_bias(real, fake) == pytest.approx(found.x[0], abs=1e-4)


def test_it_is_scikit_learn_s_intercept_where_that_finds_slope_one():
    # Counts in exact proportion to sigmoid(x + 0.5): the free slope is one by itself.
    levels, share = (
        np.array([-2.0, 0.0, 2.0]),
        1 / (1 + np.exp(-(np.array([-2.0, 0.0, 2.0]) + 0.5))),
    )
    counts = np.round(share * 1e5).astype(int)
    fake, real = np.repeat(levels, counts), np.repeat(levels, 10**5 - counts)
    logit, label = np.concatenate([real, fake]), np.repeat([0, 1], [len(real), len(fake)])
    free = LogisticRegression(C=np.inf, tol=1e-10).fit(logit[:, None], label)
    assert free.coef_[0, 0] == pytest.approx(1, abs=1e-3)
    assert metrics.fit_bias(real, fake) == pytest.approx(free.intercept_[0], abs=1e-3)


@pytest.mark.parametrize(
    ("real", "fake", "bias"),
    [
        # By symmetry the line lies in the middle, whether the two are apart or the wrong way round.
        ([-3.0, -5.0], [7.0, 9.0], -2.0),
        ([4.0], [2.0], -3.0),
        ([1.5] * 3, [1.5] * 3, -1.5),
        # sigmoid(b) = 3/4.
        ([0.0], [0.0] * 3, np.log(3)),
        ([-1e30], [1e30], 0.0),
    ],
)
def test_by_hand(real, fake, bias):
    assert metrics.fit_bias(np.array(real), np.array(fake)) == pytest.approx(bias, abs=1e-9)


@pytest.mark.parametrize(("real", "fake"), [([], [1.0]), ([1.0], []), ([np.nan], [1.0])])
def test_nothing_is_learned_from_nothing(real, fake):
    with pytest.raises(ValueError, match="both images need logits"):
        metrics.fit_bias(np.array(real), np.array(fake))


def test_accuracy_is_that_of_the_other_images():
    label, logit = np.array([0, 0, 1, 1]), np.array([1.0, 3.0, 2.0, 4.0])
    none, pair = np.zeros(4, bool), np.array([True, False, True, False])
    assert metrics.two_shot_accuracy(label, logit, threshold=1.5, without=none) == 0.75
    assert metrics.two_shot_accuracy(label, logit, threshold=3.5, without=pair) == 1.0
    # At the threshold itself an image is called real, as at logit 0.
    assert metrics.two_shot_accuracy(label, logit, threshold=4.0, without=pair) == 0.5
    assert metrics.two_shot_accuracy(label, logit, threshold=0.0, without=~none) is None
