"""Turns logits into probabilities and verdicts."""

import dataclasses
import math

import numpy as np
from scipy.special import expit

from jaxdet.errors import UserError
from jaxdet.ranges import Range
from jaxdet.results import Calibration

# Thresholds that validation images give: names of `Calibration.thresholds`.
MEASURED = ("fpr_1", "fpr_5")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judgement:
    """Turns logits into probabilities, and calls an image fake or real.

    Attributes:
      threshold: a name of MEASURED, or the probability above which an image is called fake.
      logit: with a name, the logit from which on an image is called fake.
      temperature: what logits are divided by before the sigmoid; None where probabilities are not
        calibrated.
    """

    threshold: str | float = 0.5
    logit: float | None = None
    temperature: float | None = None

    @property
    def calibrated(self) -> bool:
        """Returns whether probabilities are calibrated on validation images."""
        return self.temperature is not None

    def probability(self, logit: np.ndarray | float) -> np.ndarray:
        """Returns P(fake), f64 of the shape of `logit`."""
        scaled = np.asarray(logit, np.float64) / (self.temperature or 1.0)
        return np.asarray(expit(scaled))

    def is_fake(self, logit: float) -> bool:
        """Returns whether an image with this logit is called fake."""
        if self.logit is not None:
            return logit >= self.logit
        return float(self.probability(logit)) > float(self.threshold)


def make_judgement(
    calibration: Calibration | None, *, threshold: str | float = 0.5, raw: bool = False
) -> Judgement:
    """Returns the judgement by what validation images taught.

    Args:
      calibration: what they taught of these weights under this protocol; None for nothing.
      threshold: a probability, or a name of MEASURED.
      raw: leave probabilities as the network gives them.

    Raises:
      UserError: where the threshold is no probability, or was not measured.
    """
    temperature = calibration.temperature if calibration and not raw else None
    if isinstance(threshold, float | int):
        if threshold not in Range.of("[0, 1]"):
            raise UserError(f"threshold={threshold}: a probability lies between 0 and 1")
        return Judgement(threshold=float(threshold), temperature=temperature)
    logit = calibration.thresholds.get(threshold) if calibration else None
    if logit is None or not math.isfinite(logit):
        raise UserError(
            f"--threshold={threshold}: not known for these weights, this checkpoint and this part "
            "of the image: it comes from the validation images of a finished run; give a "
            "probability between 0 and 1"
        )
    return Judgement(threshold=threshold, logit=logit, temperature=temperature)
