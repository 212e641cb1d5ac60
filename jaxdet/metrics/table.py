"""Lists the numbers of a set beside its AP: how each is computed, and how tables show it.

All that is known of a number stands here, once: a new one is a function of a `Tally` and a row.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import numpy as np

from jaxdet.metrics.calibration import brier_of, calibration_error_of
from jaxdet.metrics.ranking import eer_of, tpr_at_fpr_of
from jaxdet.metrics.tally import Measure
from jaxdet.metrics.thresholds import (
    balanced_accuracy_at,
    best_balanced_of,
    best_balanced_tnr_of,
    best_balanced_tpr_of,
    fpr_at,
    oracle_accuracy_of,
    oracle_threshold_of,
    tpr_at,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """Describes how tables show a number.

    Attributes:
      name: of the number, in `results.json` and in the CSV.
      group: heading that it shares with its neighbours.
      title: heading of its own.
      flat: the whole heading, where a table has one line of them.
      definition: term and meaning; columns may share one.
      digits: after the point; None: a share, shown in percent.
    """

    name: str
    group: str
    title: str
    flat: str
    definition: tuple[str, str]
    digits: int | None = None


# (temperature, thresholds by name) of a calibration -> the measure; None where it needs others.
Calibrated = Callable[[float | None, Mapping[str, float | None]], Measure | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeasureColumn(Column):
    """Describes a number that is a function of labels and logits, and perhaps of a calibration.

    Attributes:
      of: what computes it, given what validation images taught; None and no thresholds where there
        were none.
    """

    of: Calibrated


def measures_of(
    temperature: float | None = None, thresholds: Mapping[str, float | None] | None = None
) -> dict[str, Measure]:
    """Returns the measures there are with what validation images taught, by their names."""
    measures = {one.name: one.of(temperature, thresholds or {}) for one in MEASURES}
    return {name: measure for name, measure in measures.items() if measure is not None}


def _plain(measure: Measure) -> Calibrated:
    return lambda temperature, thresholds: measure


def _scaled(measure: Callable[..., np.ndarray]) -> Calibrated:
    def of(temperature: float | None, _: Mapping[str, float | None]) -> Measure | None:
        if temperature is None:
            return None
        return functools.partial(measure, temperature=temperature)

    return of


def _at(measure: Callable[..., np.ndarray], name: str) -> Calibrated:
    def of(_: float | None, thresholds: Mapping[str, float | None]) -> Measure | None:
        threshold = thresholds.get(name)
        return None if threshold is None else functools.partial(measure, threshold=threshold)

    return of


_ORACLE = (
    "Oracle",
    "the best accuracy of any threshold, and that threshold, chosen with the "
    "labels of these very images: an upper bound, not a result",
)
_AT_FPR = (
    "TPR at FPR",
    "share of fakes found while at most 1 or 5 % of this set's own reals are "
    "called fake; of too few reals none may be",
)
_VALIDATION = (
    "Validation threshold",
    "the logit above which 1 or 5 % of the validation reals "
    "lie. At it, the share of this set's reals that is called fake (FPR) and of its "
    "fakes (TPR): what a user would meet",
)
_SCALED = ("Scaled", "with logits divided by the temperature that fits validation")
_BALANCED = (
    "Balanced accuracy",
    "the mean of the accuracy on real and on fake images, at logit 0 and, as oracle, at the "
    "threshold where it is best, with the accuracy on either there: chosen with the labels of "
    "these very images, an upper bound and not a result",
)
BALANCED_GROUP = "Balanced accuracy"


def _at_validation(percent: int) -> tuple[MeasureColumn, ...]:
    name = f"fpr_{percent}"
    group = f"At the validation threshold for {percent} % FPR"
    return tuple(
        MeasureColumn(
            name=f"{kind.lower()}_val_{name}",
            group=group,
            title=kind,
            flat=f"{kind} at the validation threshold for {percent} % FPR",
            definition=_VALIDATION,
            of=_at(measure, name),
        )
        for kind, measure in (("FPR", fpr_at), ("TPR", tpr_at))
    )


def _balanced(name: str, title: str, measure: Measure) -> MeasureColumn:
    return MeasureColumn(
        name=name,
        group=BALANCED_GROUP,
        title=title,
        flat=f"balanced accuracy, {title}",
        definition=_BALANCED,
        of=_plain(measure),
    )


def _at_own_fpr(percent: int) -> MeasureColumn:
    measure = functools.partial(tpr_at_fpr_of, fpr=percent / 100)
    return MeasureColumn(
        name=f"tpr_at_fpr_{percent}",
        group="TPR at FPR",
        title=f"{percent} %",
        flat=f"TPR at {percent} % FPR",
        definition=_AT_FPR,
        of=_plain(measure),
    )


# In the order of tables and of the CSV's columns.
MEASURES = (
    MeasureColumn(
        name="oracle_accuracy", group="Accuracy", title="oracle", flat="oracle accuracy",
        definition=_ORACLE, of=_plain(oracle_accuracy_of),
    ),
    MeasureColumn(
        name="oracle_threshold", group="Accuracy", title="from logit",
        flat="oracle threshold, logit", digits=2, definition=_ORACLE,
        of=_plain(oracle_threshold_of),
    ),
    MeasureColumn(
        name="eer", group="", title="EER", flat="EER", of=_plain(eer_of),
        definition=("EER", "the error where as many reals as fakes are mistaken"),
    ),
    _at_own_fpr(1),
    _at_own_fpr(5),
    *_at_validation(1),
    *_at_validation(5),
    MeasureColumn(
        name="ece", group="ECE", title="plain", flat="ECE", of=_plain(calibration_error_of),
        definition=("ECE", "how far P(fake) lies from the share of fakes, over 15 equal bins"),
    ),
    MeasureColumn(
        name="ece_scaled", group="ECE", title="scaled", flat="ECE, scaled", definition=_SCALED,
        of=_scaled(calibration_error_of),
    ),
    MeasureColumn(
        name="brier", group="Brier", title="plain", flat="Brier", digits=3, of=_plain(brier_of),
        definition=("Brier", "mean squared distance of P(fake) from the label; 0.25 for a coin"),
    ),
    MeasureColumn(
        name="brier_scaled", group="Brier", title="scaled", flat="Brier, scaled", digits=3,
        definition=_SCALED, of=_scaled(brier_of),
    ),
    _balanced("balanced_accuracy", "at 0", balanced_accuracy_at),
    _balanced("oracle_balanced_accuracy", "oracle", best_balanced_of),
    _balanced("oracle_accuracy_real", "oracle, real", best_balanced_tnr_of),
    _balanced("oracle_accuracy_fake", "oracle, fake", best_balanced_tpr_of),
)  # fmt: skip
