"""States what a verdict rests on, as values that stand beside it wherever it is written."""

from typing import Any

from jaxdet.convert.card import Card
from jaxdet.predict.base import AnyDetector
from jaxdet.predict.rows import Row, Scoring

# The keys of `basis`, in the order of columns.
BASIS = ("digest", "part", "error_rate", "band", "trained_on", "tested_on")


def basis(detector: AnyDetector, scoring: Scoring) -> dict[str, Any]:
    """Returns the values of BASIS.

    The digest of the weights; what of an image was scored; the percent of validation images whose
    verdict is wrong at most, and the probabilities up to which a verdict is real and from which on
    it is fake, both None where verdicts do not follow from them; and two sentences.
    """
    judgement = scoring.judgement
    band = None if judgement.asked else judgement.band
    return {
        "digest": detector.digest,
        "part": str(scoring.protocol),
        "error_rate": judgement.error_rate if band else None,
        "band": [float(judgement.probability(logit)) for logit in band] if band else None,
        "trained_on": _trained_on(detector.card),
        "tested_on": _tested_on(detector.card),
    }


def with_basis(rows: list[Row], detector: AnyDetector, scoring: Scoring) -> list[Row]:
    """Returns rows, those with a score with the values of BASIS."""
    found = basis(detector, scoring)
    return [row if "error" in row else {**row, **found} for row in rows]


def _trained_on(card: Card) -> str:
    training = card.training
    if not {"n_real", "n_fake"} <= training.keys():
        return "not known here"
    classes = training.get("classes") or []
    of_what = f" of {', '.join(map(str, classes))}" if 0 < len(classes) <= 3 else ""
    return f"{training['n_real']:,} real and {training['n_fake']:,} fake images{of_what}"


def _tested_on(card: Card) -> str:
    if not card.measured:
        return "nothing was measured of these weights"
    ranked = sorted(card.measured.items(), key=lambda item: item[1]["ap"])
    ends = " to ".join(dict.fromkeys(_ap(*one) for one in (ranked[0], ranked[-1])))
    sets = f"{len(ranked)} test set{'s' * (len(ranked) > 1)}"
    return f"AP on {sets}: {ends}; generators beyond these were not tried"


def _ap(name: str, figures: dict[str, Any]) -> str:
    interval = figures.get("ap_ci95")
    within = f" (95 % interval {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    return f"{figures['ap']:.3f}{within} on {name}"
