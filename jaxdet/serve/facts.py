"""Describes a detector to the pages and to clients, as plain values."""

from typing import Any

import jaxdet
from jaxdet.predict.base import AnyDetector
from jaxdet.predict.basis import basis
from jaxdet.predict.rows import Scoring


def short_facts(detector: AnyDetector, scoring: Scoring) -> dict[str, Any]:
    """Returns the fields of `forms.ModelFacts`: which detector answers, and how it decides."""
    judgement, known = scoring.judgement, basis(detector, scoring)
    return {
        "name": detector.model.title,
        "threshold": judgement.threshold,
        "verdicts": str(judgement).removeprefix("verdicts: "),
        **{key: known[key] for key in known if key != "band"},
    }


def all_facts(detector: AnyDetector, scoring: Scoring) -> dict[str, Any]:
    """Returns the fields of `forms.ModelCard`: what is known of the detector besides."""
    card, judgement = detector.card, scoring.judgement
    known = card.calibration
    return {
        **short_facts(detector, scoring),
        "version": jaxdet.__version__,
        "temperature": judgement.temperature,
        "band": judgement.band and list(judgement.band),
        "thresholds": known.thresholds if known else {},
        "ranges": {name: list(ends) for name, ends in judgement.ranges.items()},
        "training": {name: one for name, one in card.training.items() if name != "root"},
        "measured": card.measured,
        "limits": card.limits(),
        "evidence": detector.shows_evidence,
    }
