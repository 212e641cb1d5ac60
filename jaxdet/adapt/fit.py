"""Learns a threshold or a head from a few images, and chooses by those it was not learned from.

The change of a head is bound to the old one: logistic regression on logit + w . x + b, whose w is
drawn towards 0 (w . w counts), and which kept images of old generators take part in. New and old,
real and fake weigh the same together, however many of each there are.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from jaxdet import metrics

FOLDS = 5
# From the tightest bond to the old head to the loosest; features have a mean square length of 1.
BONDS = (1e-1, 1e-2, 1e-3, 1e-4)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows:
    """Holds what is learned from: a row for each of the few images and of the kept ones.

    Attributes:
      x: f64 [N, R], features in a basis of their own, of mean 0 and mean square length 1.
      logit: f64 [N], of the old head.
      label: [N], 1 = fake.
      is_new: bool [N], whether an image is one of the few.
      fold: int [N], 0..FOLDS - 1, which images are left out together.
    """

    x: np.ndarray
    logit: np.ndarray
    label: np.ndarray
    is_new: np.ndarray
    fold: np.ndarray

    def take(self, mask: np.ndarray) -> "Rows":
        """Returns the rows where a mask is true."""
        return Rows(**{name: value[mask] for name, value in vars(self).items()})

    @property
    def weight(self) -> np.ndarray:
        """Returns weights f64 [N] that give new and old, real and fake the same sum."""
        group = 2 * self.is_new + self.label
        _, place, count = np.unique(group, return_inverse=True, return_counts=True)
        weight: np.ndarray = 1 / count[place] / len(count)
        return weight


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """Holds what is added to a logit: w . x + b.

    Attributes:
      weights: f64 [R], in the basis of the rows.
      bias: b.
    """

    weights: np.ndarray
    bias: float = 0.0

    def logits(self, rows: Rows) -> np.ndarray:
        """Returns the changed logits, f64 [N]."""
        changed: np.ndarray = rows.logit + rows.x @ self.weights + self.bias
        return changed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """Describes a way to learn, with what came of it out of fold.

    Attributes:
      name: what tables call it.
      accuracy: balanced, over those of the few images that each fold left out.
      kept: the same over the kept images; None where there are none of both labels.
      right: bool [n], which of the few images it calls what they are.
    """

    name: str
    accuracy: float
    kept: float | None
    right: np.ndarray


def _unchanged(rows: Rows) -> Change:
    return Change(weights=np.zeros(rows.x.shape[1]))


def _threshold(rows: Rows) -> Change:
    """Moves the threshold to where a logistic regression on the old logit has its 0."""
    centre, scale = rows.logit.mean(), rows.logit.std() + 1e-12
    slope, bias = _minimise(
        ((rows.logit - centre) / scale)[:, None], np.zeros(len(rows.logit)), rows, bond=1e-3
    )
    # Where the old logits point the wrong way, no threshold helps.
    shift = bias / slope[0] * scale - centre if slope[0] > 0 else 0.0
    return Change(weights=np.zeros(rows.x.shape[1]), bias=float(shift))


def _head(bond: float) -> Callable[[Rows], Change]:
    def fit(rows: Rows) -> Change:
        weights, bias = _minimise(rows.x, rows.logit, rows, bond=bond)
        return Change(weights=weights, bias=bias)

    return fit


# The gentlest first.
METHODS: dict[str, Callable[[Rows], Change]] = {
    "unchanged": _unchanged,
    "threshold": _threshold,
    **{f"head, bond {bond:g}": _head(bond) for bond in BONDS},
}


def choose(rows: Rows, *, loss: float) -> tuple[str, list[Candidate]]:
    """Returns the name of the method to take by what was left out, and how all of them did.

    Of the methods that lose no more than `loss` of the balanced accuracy on the kept images: the
    gentlest of those that come within a standard error of the best on the few (Breiman et al.,
    Classification and Regression Trees, 1984, section 3.4.3), of the difference over the same
    images. Few images tell no finer differences.
    """
    tried = [_try(name, rows) for name in METHODS]
    least = tried[0].kept
    allowed = [
        one for one in tried if one.kept is None or least is None or one.kept >= least - loss
    ]
    best = max(allowed, key=lambda one: one.accuracy)
    label = rows.label[rows.is_new]
    near = (one for one in allowed if best.accuracy - one.accuracy <= _error(label, best, one))
    return next(near).name, tried


def _error(label: np.ndarray, best: Candidate, other: Candidate) -> float:
    """Returns the standard error of the difference of two balanced accuracies."""
    apart = best.right.astype(float) - other.right
    parts = [apart[label == one] for one in (0, 1)]
    return float(np.sqrt(sum(one.var() / len(one) for one in parts)) / 2)


def out_of_fold(rows: Rows, *, loss: float) -> np.ndarray:
    """Returns a logit for each image from all others, f64 [N]: the choice of the method, too."""
    return _held_out(rows, lambda others: METHODS[choose(others, loss=loss)[0]](others))


def _try(name: str, rows: Rows) -> Candidate:
    logit, new = _held_out(rows, METHODS[name]), rows.is_new
    accuracy, kept = (_balanced(rows.label[one], logit[one]) for one in (new, ~new))
    assert accuracy is not None  # the few images have both labels
    right = (logit[new] > 0) == rows.label[new]
    return Candidate(name=name, accuracy=accuracy, kept=kept, right=right)


def _balanced(label: np.ndarray, logit: np.ndarray) -> float | None:
    if not len(label):
        return None
    return metrics.value(metrics.balanced_accuracy_at, metrics.tally(label, logit))


def _held_out(rows: Rows, fit: Callable[[Rows], Change]) -> np.ndarray:
    logit = np.zeros(len(rows.logit))
    for held in _folds(rows):
        logit[held] = fit(rows.take(~held)).logits(rows.take(held))
    return logit


def _folds(rows: Rows) -> Iterator[np.ndarray]:
    for number in np.unique(rows.fold):
        yield rows.fold == number


def _minimise(
    x: np.ndarray, logit: np.ndarray, rows: Rows, *, bond: float
) -> tuple[np.ndarray, float]:
    """Returns w and b of least logistic loss of logit + w . x + b, and bond / 2 of w . w."""
    sign, weight = 2.0 * rows.label - 1, rows.weight

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        w, b = values[:-1], values[-1]
        margin = sign * (logit + x @ w + b)
        pull = -weight * sign * expit(-margin)
        value = weight @ np.logaddexp(0, -margin) + bond / 2 * w @ w
        return float(value), np.append(pull @ x + bond * w, pull.sum())

    start = np.zeros(x.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return found.x[:-1], float(found.x[-1])
