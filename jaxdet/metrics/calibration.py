"""Measures probabilities: is a fraction p of the images called fake with probability p fake?"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit

from jaxdet.metrics.tally import Tally, checked, tally

# Equal bins of the probability, as many as Guo et al. 2017, arXiv 1706.04599, take.
BINS = 15
# Temperatures that are tried.
_COLDEST, _HOTTEST = 0.01, 100.0


def log_loss(label: np.ndarray, logit: np.ndarray, *, temperature: float = 1.0) -> float:
    """Returns the mean binary cross-entropy of sigmoid(logit / temperature), nats.

    Raises:
      ValueError: where the two are empty, differ in shape, hold NaN or labels besides 0 and 1.
    """
    return _loss(_signed(label, logit), temperature)


def brier_score(label: np.ndarray, logit: np.ndarray, *, temperature: float = 1.0) -> float:
    """Returns the Brier score, 0..1; Brier 1950.

    The mean squared distance of sigmoid(logit / temperature) from the label.

    Raises:
      ValueError: as `log_loss`.
    """
    return float(brier_of(tally(label, logit), temperature=temperature))


def brier_of(counts: Tally, *, temperature: float = 1.0) -> np.ndarray:
    """Returns the Brier score of each resample, f64 [...]; see `brier_score`."""
    scaled = counts.score / temperature
    # 1 - expit(x) is expit(-x), which keeps its digits.
    lost = counts.fakes @ expit(-scaled) ** 2 + counts.reals @ expit(scaled) ** 2
    return lost / (counts.n_fake + counts.n_real)


def calibration_error(label: np.ndarray, logit: np.ndarray, *, temperature: float = 1.0) -> float:
    """Returns the expected calibration error, 0..1, over 15 bins of P(fake) = sigmoid(logit / T).

    The mean over the images of how far the mean of P(fake) and the share of fakes lie apart in
    their bin; Naeini et al. 2015, with the probability of one class, fake, as in a reliability
    diagram. It depends on the share of fakes in the set, and in small sets it is too large by
    chance.

    Raises:
      ValueError: as `log_loss`.
    """
    return float(calibration_error_of(tally(label, logit), temperature=temperature))


def calibration_error_of(counts: Tally, *, temperature: float = 1.0) -> np.ndarray:
    """Returns the expected calibration error of each resample; see `calibration_error`."""
    probability = expit(counts.score / temperature)
    place = np.minimum(probability * BINS, BINS - 1).astype(int)
    # The scores are sorted: each bin is a run of them.
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    excess = probability * (counts.fakes + counts.reals) - counts.fakes
    gaps = np.abs(np.add.reduceat(excess, starts, axis=-1))
    return gaps.sum(axis=-1) / (counts.n_fake + counts.n_real)


def fit_temperature(label: np.ndarray, logit: np.ndarray) -> float | None:
    """Returns the T of least log loss of sigmoid(logit / T); Guo et al. 2017, arXiv 1706.04599.

    Fit it on validation images, never on those that are then measured. It changes no ranking.
    None where no T within 0.01..100 is best: one class, scores without information, or a set
    whose images all lie on their side of logit 0, where ever smaller T are ever better.

    Raises:
      ValueError: as `log_loss`.
    """
    signed = _signed(label, logit)
    if len(set(np.asarray(label).tolist())) < 2 or np.isneginf(signed).any():
        return None
    minimum = minimize_scalar(
        lambda log_t: _loss(signed, np.exp(log_t)),
        bounds=(np.log(_COLDEST), np.log(_HOTTEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    ends = min(_loss(signed, _COLDEST), _loss(signed, _HOTTEST))
    return float(np.exp(minimum.x)) if minimum.fun < ends else None


def _signed(label: np.ndarray, logit: np.ndarray) -> np.ndarray:
    """Returns the logits of the true label, f64 [N]: above 0 where the image is on its side."""
    label, logit = checked(label, logit)
    return np.where(label == 1, logit, -logit)


def _loss(signed: np.ndarray, temperature: float) -> float:
    # log(1 + exp(-x)) without overflow.
    return float(np.logaddexp(0.0, -signed / temperature).mean())
