"""Holds what validation images teach about a detector, in `results.json` and cards of weights."""

import dataclasses
from typing import Any

from jaxdet.results.checks import all_ends, numbers, typed

# Percent of the real, and of the fake, validation images at which thresholds are kept.
ERROR_RATES = (1, 5)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibration:
    """Holds what was learned on validation images, and never on test images.

    Attributes:
      source: name of the set.
      n_real: its real images.
      n_fake: its fake images.
      temperature: by which logits are divided; None where no temperature is best.
      thresholds: "fpr_1" and "fpr_5" to the logit from which on an image is called fake, so that
        1 or 5 % of the real images are; "fnr_1" and "fnr_5" to that up to which it is called real,
        so that 1 or 5 % of the fake images are. None without such images.
      ranges: of the shorter side in pixels, of being JPEG (0 or 1) and the quality of it, and of
        the sharpness of nearly all of the images; see `jaxdet.data.likeness`. Empty where an older
        jaxdet measured.
    """

    source: str
    n_real: int
    n_fake: int
    temperature: float | None
    thresholds: dict[str, float | None]
    ranges: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)


def read_calibration(raw: dict[str, Any] | None) -> Calibration | None:
    """Returns a calibration that was made plain; None for None.

    Raises:
      TypeError, KeyError, ValueError: where it is damaged.
    """
    if raw is None:
        return None
    thresholds, ranges = numbers(raw["thresholds"]), all_ends(raw.get("ranges", {}))
    return typed(Calibration(**{**raw, "thresholds": thresholds, "ranges": ranges}))
