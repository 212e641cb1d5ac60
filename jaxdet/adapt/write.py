"""Writes an adapted detector as a folder that takes the place of any weights."""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.adapt.compare import DRAWS, SEED, ComparedRow
from jaxdet.adapt.features import Seen
from jaxdet.convert.card import FIGURES, Card, network_options
from jaxdet.convert.folder import Source, write_detector
from jaxdet.convert.load import LoadedWeights
from jaxdet.convert.rules import Coverage, flatten
from jaxdet.evals.scores import score_condition
from jaxdet.models.detector import Variables
from jaxdet.results import Calibration, Predictions
from jaxdet.train.weights import sha256_of
from jaxdet.workdir.drafts import new_folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Made:
    """Holds an adapted detector.

    Attributes:
      loaded: the detector as it was.
      card: of the old one until `make_card` made that of the new one.
      variables: of the new one.
    """

    loaded: LoadedWeights
    card: Card
    variables: Variables


def make_card(
    made: Made,
    options: argparse.Namespace,
    few: Seen,
    *,
    kept: Seen | None,
    method: str,
    rows: Sequence[ComparedRow],
    calibration: Calibration | None,
    measured: dict[str, dict[str, Any]],
) -> Card:
    """Returns the card of an adapted detector.

    Args:
      made: the detector, with the old card.
      options: of the command.
      few: the images that it was adapted to.
      kept: those of old generators that it learned from, too.
      method: by which.
      rows: before and after.
      calibration: what was learned of the new logits; None for nothing.
      measured: figures of test sets, as in a card.
    """
    old = made.card
    # Side by side: nested in one another, the thirteenth could not be read.
    earlier = [*old.adapted.get("earlier", [])]
    if old.adapted:
        earlier.append({name: one for name, one in old.adapted.items() if name != "earlier"})
    adapted = {
        "base": {"source": old.origin, "sha256": old.sha256},
        "earlier": earlier,
        "method": method,
        "images": {
            label: few.mark[few.label == number].tolist()
            for number, label in enumerate(("real", "fake"))
        },
        "kept": 0 if kept is None else len(kept),
        "options": {
            name: value if isinstance(value, float) else value and str(value)
            for name in ("real", "fake", "check", "loss")
            for value in [vars(options)[name]]
        },
        "rows": [dataclasses.asdict(row) for row in rows],
    }
    return dataclasses.replace(
        old,
        sha256=sha256_of(made.variables),
        calibration=calibration,
        measured=measured,
        measured_by=str(old.protocol) if measured else "",
        model=network_options(made.loaded.model),
        adapted=adapted,
    )


def figures_of(seen: Seen, logit: np.ndarray) -> dict[str, Any]:
    """Returns what a card says of images that were not learned from, with their new logits."""
    scores = score_condition(to_predictions([seen], logit), draws=DRAWS, seed=SEED)
    return {figure: getattr(scores, figure) for figure in FIGURES}


def to_predictions(parts: Sequence[Seen], logit: np.ndarray) -> Predictions:
    """Returns images with new logits, f64 [N], as rows of a set."""
    mark, label, sharpness = (
        np.concatenate([getattr(one, name) for one in parts])
        for name in ("mark", "label", "sharpness")
    )
    return Predictions(
        id=mark,
        label=label,
        logit=logit.astype(np.float32),
        sharpness=sharpness,
        skipped=np.array([], "U1"),
        fingerprint="",
    )


def write_adapted(path: Path, made: Made) -> None:
    """Writes the folder, which takes its name when it is complete.

    Raises:
      UserError: where the name is taken.
    """
    base, loaded = made.card.adapted["base"], made.loaded
    with new_folder(path) as draft:
        write_detector(
            draft,
            flatten(made.variables),
            model=loaded.model,
            source=Source(file=base["source"], sha256=base["sha256"]),
            coverage=Coverage(used=(), ignored={}, replaced=()),
            spelling=loaded.spelling or made.card.spelling,
            crop=loaded.crop,
            card=made.card,
        )
