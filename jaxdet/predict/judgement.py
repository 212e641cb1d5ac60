"""Turns logits into probabilities, predictions and verdicts.

A prediction is fake or real, by a threshold. A verdict may also be unsure: it is fake or real only
where so few validation images of the other label have such a logit that a stated error rate holds.
"""

import dataclasses
import math
from typing import Literal

import numpy as np

from jaxdet.data.likeness import Ranges
from jaxdet.errors import UserError
from jaxdet.ranges import Range
from jaxdet.results import ERROR_RATES, Calibration

# Thresholds that validation images give: names of `Calibration.thresholds`.
MEASURED = tuple(f"fpr_{percent}" for percent in ERROR_RATES)
# Percent of the real, and of the fake, validation images whose verdict may be wrong.
ERROR_RATE = 5

Verdict = Literal["fake", "real", "unsure"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judgement:
    """Turns logits into probabilities, and calls an image fake, real or neither.

    Attributes:
      threshold: a name of MEASURED, or the probability above which an image is called fake.
      logit: with a name, the logit from which on an image is called fake.
      temperature: what logits are divided by before the sigmoid; None where probabilities are not
        calibrated.
      asked: whether the threshold was asked for: verdicts then go by it alone.
      error_rate: percent of the real, and of the fake, validation images whose verdict is wrong.
      band: the logit up to which a verdict is real, and that from which on it is fake; None where
        validation images did not say.
      ranges: of what validation images are like; see `jaxdet.data.likeness`.
    """

    threshold: str | float = 0.5
    logit: float | None = None
    temperature: float | None = None
    asked: bool = False
    error_rate: int = ERROR_RATE
    band: tuple[float, float] | None = None
    ranges: Ranges = dataclasses.field(default_factory=dict)

    @property
    def calibrated(self) -> bool:
        """Returns whether probabilities are calibrated on validation images."""
        return self.temperature is not None

    def probability(self, logit: np.ndarray | float) -> np.ndarray:
        """Returns P(fake), f64 of the shape of `logit`."""
        scaled = np.asarray(logit, np.float64) / (self.temperature or 1.0)
        # SciPy's own would be a hundred megabytes more for whoever scores alone.
        small = np.exp(-np.abs(scaled))
        return np.asarray(np.where(scaled < 0, small, 1.0) / (1.0 + small))

    def is_fake(self, logit: float) -> bool:
        """Returns whether an image with this logit is called fake."""
        if self.logit is not None:
            return logit >= self.logit
        return float(self.probability(logit)) > float(self.threshold)

    def verdict(self, logit: float) -> Verdict:
        """Returns what can be said of an image with this logit at the error rate."""
        if self.asked:
            return "fake" if self.is_fake(logit) else "real"
        if self.band is None:
            return "unsure"
        real, fake = self.band
        if logit >= fake:
            return "fake"
        return "real" if logit <= real else "unsure"

    def __str__(self) -> str:
        """Describes in a sentence which verdict an image gets."""
        if self.asked:
            return f"verdicts: fake or real by --threshold={self.threshold}"
        if self.band is None:
            return (
                "verdicts: unsure throughout, since no validation images say which logits can be "
                "trusted; predictions are at probability 0.5, and --threshold=P makes verdicts"
            )
        real, fake = (float(self.probability(logit)) for logit in self.band)
        return (
            f"verdicts: real up to a probability of {real:.4g}, fake from {fake:.4g}, unsure "
            f"between; at most {self.error_rate} % of the real and of the fake validation images "
            "get a wrong one"
        )


def make_judgement(
    calibration: Calibration | None,
    *,
    threshold: str | float | None = None,
    raw: bool = False,
    error_rate: int = ERROR_RATE,
) -> Judgement:
    """Returns the judgement by what validation images taught.

    Args:
      calibration: what they taught of these weights under this protocol; None for nothing.
      threshold: a probability, or a name of MEASURED; None: 0.5, and verdicts by the error rate.
      raw: leave probabilities as the network gives them.
      error_rate: of `ERROR_RATES`.

    Raises:
      UserError: where the threshold is no probability, or was not measured, or there is no such
        error rate.
    """
    if error_rate not in ERROR_RATES:
        raise UserError(f"error_rate={error_rate}: not one of {', '.join(map(str, ERROR_RATES))}")
    known = Judgement(
        temperature=calibration.temperature if calibration and not raw else None,
        asked=threshold is not None,
        error_rate=error_rate,
        band=_band(calibration, error_rate),
        ranges=calibration.ranges if calibration else {},
    )
    if threshold is None:
        return known
    if isinstance(threshold, float | int):
        if threshold not in Range.of("[0, 1]"):
            raise UserError(f"threshold={threshold}: a probability lies between 0 and 1")
        return dataclasses.replace(known, threshold=float(threshold))
    logit = calibration.thresholds.get(threshold) if calibration else None
    if logit is None or not math.isfinite(logit):
        raise UserError(
            f"--threshold={threshold}: not known for these weights, this checkpoint and this part "
            "of the image: it comes from the validation images of a finished run; give a "
            "probability between 0 and 1"
        )
    return dataclasses.replace(known, threshold=threshold, logit=logit)


def _band(calibration: Calibration | None, error_rate: int) -> tuple[float, float] | None:
    """Returns the logits between which no verdict is given; None where they are not known."""
    names = (f"fnr_{error_rate}", f"fpr_{error_rate}")
    ends = [calibration.thresholds.get(name) for name in names] if calibration else [None]
    known = [end for end in ends if end is not None]
    # Where validation parts the labels, the logits in the gap are like those of no image there.
    return (min(known), max(known)) if len(known) == len(names) else None
