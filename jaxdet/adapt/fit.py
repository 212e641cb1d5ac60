"""Learns a threshold or a head from a few images, and scores each image by what others taught.

A head begins at the old one and is bound to it: logistic regression on logit + w . x + b, where
w . w counts against it. Kept images of old generators take part. New and old, real and fake weigh
the same together, however many of each there are.
"""

import dataclasses
from functools import partial

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from jaxdet import metrics
from jaxdet.adapt.features import Seen

FOLDS = 5
# Between two shares that are one but for rounding.
TOLERANCE = 1e-9
# From the tightest bond to the old head to the loosest; features have a mean square length of 1.
BONDS = (1e-2, 1e-3, 1e-4)
# The gentlest first.
METHODS = ("unchanged", "threshold", *(f"head, bond {bond:g}" for bond in BONDS))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows:
    """Holds what is learned from: a row for each of the few images and of the kept ones.

    Attributes:
      x: f64 [N, D], features of mean 0 and mean square length 1.
      logit: f64 [N], of the old head.
      label: [N], 1 = fake.
      is_new: bool [N], whether an image is one of the few.
      fold: int [N], 0..FOLDS - 1, which images are left out together.
      mean: f64 [D], of the features.
      length: root of the mean square length of the features less their mean.
    """

    x: np.ndarray
    logit: np.ndarray
    label: np.ndarray
    is_new: np.ndarray
    fold: np.ndarray
    mean: np.ndarray
    length: float

    @classmethod
    def of(cls, few: Seen, kept: Seen | None) -> "Rows":
        """Returns rows of the few images and then of the kept ones."""
        parts = [few] if kept is None else [few, kept]
        features = np.concatenate([one.features for one in parts])
        mean = features.mean(axis=0)
        length = float(np.sqrt(np.square(features - mean).sum(axis=1).mean())) or 1.0
        return cls(
            x=(features - mean) / length,
            logit=np.concatenate([one.logit for one in parts]),
            label=np.concatenate([one.label for one in parts]),
            is_new=np.repeat([True, False][: len(parts)], [len(one) for one in parts]),
            fold=np.concatenate([_folds(one) for one in parts]),
            mean=mean,
            length=length,
        )

    def in_features(self, change: np.ndarray) -> tuple[np.ndarray, float]:
        """Returns the weights f64 [D] and the bias that add a change to a logit."""
        weights = change[:-1] / self.length
        return weights, float(change[-1] - self.mean @ weights)


def _folds(seen: Seen) -> np.ndarray:
    """Deals the images of each label out by their digests: names and order make no difference."""
    fold = np.zeros(len(seen), np.int64)
    for label in (0, 1):
        places = np.flatnonzero(seen.label == label)
        # Copies of one image are left out together.
        fold[places] = np.unique(seen.mark[places], return_inverse=True)[1] % FOLDS
    return fold


def learn(rows: Rows, taught: np.ndarray) -> np.ndarray:
    """Returns what each of `METHODS` learns of the rows where a mask is true.

    Returns:
      f64 [len(METHODS), D + 1], w and b, which are added to a logit as w . x + b.
    """
    changes = np.zeros((len(METHODS), rows.x.shape[1] + 1))
    logit, label = rows.logit[taught], rows.label[taught]
    _, place, count = np.unique(
        2 * rows.is_new[taught] + label, return_inverse=True, return_counts=True
    )
    fit = partial(_minimise, label=label, weight=1 / count[place] / len(count))
    # The threshold moves to where a logistic regression on the old logit has its 0.
    centre, scale = logit.mean(), logit.std() + 1e-12
    column, none = ((logit - centre) / scale)[:, None], np.zeros_like(logit)
    slope, bias = fit(column, none, bond=1e-3, start=np.zeros(2))
    # Where the old logits point the wrong way, no threshold helps.
    changes[1, -1] = bias / slope * scale - centre if slope > 0 else 0.0
    for number, bond in enumerate(BONDS, 2):
        changes[number] = fit(rows.x[taught], logit, bond=bond, start=changes[number - 1])
    return changes


def _minimise(
    x: np.ndarray,
    logit: np.ndarray,
    *,
    label: np.ndarray,
    weight: np.ndarray,
    bond: float,
    start: np.ndarray,
) -> np.ndarray:
    """Returns w and b of least logistic loss of logit + w . x + b, and bond / 2 of w . w."""
    sign = 2.0 * label - 1

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        w, b = values[:-1], values[-1]
        margin = sign * (logit + x @ w + b)
        pull = -weight * sign * expit(-margin)
        value = weight @ np.logaddexp(0, -margin) + bond / 2 * w @ w
        return float(value), np.append(pull @ x + bond * w, pull.sum())

    fitted: np.ndarray = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return fitted


def out_of_fold(rows: Rows) -> np.ndarray:
    """Returns each method's logit of each image, learned without its fold: f64 [methods, N]."""
    logits = np.zeros((len(METHODS), len(rows.logit)))
    for number in range(FOLDS):
        held = rows.fold == number
        changes = learn(rows, ~held)
        logits[:, held] = rows.logit[held] + changes[:, :-1] @ rows.x[held].T + changes[:, -1:]
    return logits


def choose(rows: Rows, logits: np.ndarray, among: np.ndarray, *, loss: float) -> int:
    """Returns the number of the method to take, by the images where a mask is true.

    Of the methods that lose no more than `loss` of the balanced accuracy on the kept images: the
    gentlest of those that come within a standard error of the best on the few (Breiman et al.,
    Classification and Regression Trees, 1984, section 3.4.3). Few images tell no finer differences.

    Args:
      rows: the images.
      logits: f64 [methods, N], out of fold.
      among: bool [N].
      loss: 0..1.
    """
    few = among & rows.is_new
    new, kept = (accuracies(rows, logits, one) for one in (few, among & ~rows.is_new))
    allowed = kept >= kept[0] - loss - TOLERANCE
    best = int(np.argmax(np.where(allowed, new, -1)))
    right = (logits > 0)[:, few] == rows.label[few]
    apart = right[best].astype(float) - right
    parts = [apart[:, rows.label[few] == label] for label in (0, 1)]
    error = np.sqrt(sum(one.var(axis=1) / one.shape[1] for one in parts)) / 2
    return int(np.argmax(allowed & (new[best] - new <= error)))


def accuracies(rows: Rows, logits: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Returns each method's balanced accuracy where a mask is true, f64; 1 without both labels."""
    label = rows.label[among]
    if len(np.unique(label)) < 2:
        return np.ones(len(logits))
    counts = [metrics.tally(label, one[among]) for one in logits]
    return np.array([float(metrics.balanced_accuracy_at(one)) for one in counts])


def crossed(rows: Rows, logits: np.ndarray, *, loss: float) -> np.ndarray:
    """Returns a logit for each image by the method that the other folds choose, f64 [N]."""
    chosen = np.array([choose(rows, logits, rows.fold != n, loss=loss) for n in range(FOLDS)])
    one: np.ndarray = logits[chosen[rows.fold], np.arange(len(rows.fold))]
    return one
