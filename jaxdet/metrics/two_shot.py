"""Computes a threshold from one real and one fake image; Wang et al., CVPR 2020, A.6."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from jaxdet.metrics.thresholds import accuracy


def fit_bias(real: np.ndarray, fake: np.ndarray) -> float:
    """Returns the b of least log loss of P(fake) = sigmoid(logit + b) over crops of two images.

    The paper's logistic regression on random crops of both, of which only the bias is learned, is
    read here as one whose weight on the logit stays 1. The loss is
    convex in b alone, and least where the probabilities add up to the number of fake crops.

    Args:
      real: logits [C] of crops of the real image.
      fake: logits [D] of crops of the fake one.

    Raises:
      ValueError: where one of the two is empty or holds a logit that is not finite.
    """
    logit = np.concatenate([real, fake]).astype(np.float64)
    if not len(real) or not len(fake) or not np.isfinite(logit).all():
        raise ValueError("both images need logits, and all of them finite")
    # At one end every probability is below the share of fakes, at the other above it.
    prior = np.log(len(fake) / len(real))
    low, high = prior - logit.max() - 1, prior - logit.min() + 1
    return float(brentq(lambda bias: expit(logit + bias).sum() - len(fake), low, high))


def two_shot_accuracy(
    label: np.ndarray, logit: np.ndarray, *, threshold: float, without: np.ndarray
) -> float | None:
    """Returns the accuracy at a learned threshold over the images it was not learned from.

    Args:
      label: i [N], 1 = fake.
      logit: f [N].
      threshold: images above it are called fake.
      without: bool [N], images left out.

    Returns:
      0..1, or None where no image is left.
    """
    left = ~without
    if not left.any():
        return None
    return accuracy(label[left], logit[left].astype(np.float64) - threshold)
