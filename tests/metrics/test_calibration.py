import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as cross_entropy

from jaxdet import metrics
from tests.metrics.samples import KINDS, sample


def _error_by_a_loop(label, logit, temperature):
    probability = expit(logit / temperature)
    total = 0.0
    for low in range(15):
        chosen = np.minimum((probability * 15).astype(int), 14) == low
        if chosen.any():
            total += chosen.sum() * abs(probability[chosen].mean() - label[chosen].mean())
    return total / len(label)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 7.0])
@pytest.mark.parametrize("kind", KINDS)
def test_calibration_error_and_brier_score(kind, temperature):
    label, logit = sample(kind, 3)
    logit = np.asarray(logit, np.float64)
    assert metrics.calibration_error(label, logit, temperature=temperature) == pytest.approx(
        _error_by_a_loop(label, logit, temperature), abs=1e-12
    )
    assert metrics.brier_score(label, logit, temperature=temperature) == pytest.approx(
        brier_score_loss(label, expit(logit / temperature)), abs=1e-12
    )


def test_calibration_error_by_hand():
    # P(fake) 0.5 in one bin with a fake share of 0.5; 0.9 in another, with 0.
    label, logit = np.array([1, 0, 0, 0]), np.array([0, 0, *[np.log(9)] * 2])
    assert metrics.calibration_error(label, logit) == pytest.approx(0.5 * 0.9)
    assert metrics.calibration_error(np.ones(3), np.full(3, np.inf)) == 0.0
    assert metrics.brier_score(np.zeros(3), np.full(3, np.inf)) == 1.0


def test_log_loss_is_scikit_learns_and_overflows_nowhere():
    label, logit = sample("plain", 4)
    assert metrics.log_loss(label, logit) == pytest.approx(cross_entropy(label, expit(logit)))
    assert metrics.log_loss(np.array([0, 1]), np.array([-1e4, 1e4])) == 0.0
    assert metrics.log_loss(np.array([0, 1]), np.array([1e4, 1e4])) == 5000.0


@pytest.mark.parametrize("scale", [0.05, 1.0, 8.0])
def test_temperature_is_where_the_slope_of_the_loss_is_zero(scale):
    label, logit = sample("plain", 5)
    signed = np.where(label == 1, logit, -logit) * scale
    expected = 1 / brentq(lambda beta: np.mean(signed * expit(-beta * signed)), 1e-3, 1e3)
    assert metrics.fit_temperature(label, scale * logit) == pytest.approx(expected, rel=1e-4)


def test_temperature_finds_what_made_the_logits():
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2, 20_000)
    label = (rng.random(logit.size) < expit(logit)).astype(int)
    assert metrics.fit_temperature(label, 3 * logit) == pytest.approx(3, rel=0.05)
    assert metrics.calibration_error(label, 3 * logit) > 0.08
    assert metrics.calibration_error(label, 3 * logit, temperature=3) < 0.02


@pytest.mark.parametrize(
    "logit",
    [
        [-2.0, -1, 1, 2],  # all on their side, far
        [-1e-3, -1e-3, 1e-3, 1e-3],  # and near
        [2.0, 1, -1, -2],  # all on the other side
        [0.0, 0, 0, 0],
        [3.0, 3, 3, 3],  # constant: no information, the loss is least at 0 / T
        [-1.0, np.inf, 1, 1],  # surely wrong
    ],
)
def test_no_temperature_is_best(logit):
    assert metrics.fit_temperature(np.array([0, 0, 1, 1]), np.array(logit)) is None


def test_infinite_logits_that_are_right_do_no_harm():
    label, logit = np.array([0, 0, 1, 1, 0]), np.array([-np.inf, 1.0, 2.0, 2.0, -2.0])
    got = metrics.fit_temperature(label, logit)
    assert got == pytest.approx(metrics.fit_temperature(label[1:], logit[1:]), rel=1e-4)
