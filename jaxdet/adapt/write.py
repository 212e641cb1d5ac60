"""Writes an adapted detector as a folder that takes the place of any weights."""

import dataclasses
from pathlib import Path
from typing import Any

from jaxdet.convert.card import Card, network_options
from jaxdet.convert.folder import Source, write_detector
from jaxdet.convert.load import LoadedWeights
from jaxdet.convert.rules import Coverage, flatten
from jaxdet.models.detector import Variables
from jaxdet.results import Calibration
from jaxdet.train.weights import sha256_of
from jaxdet.workdir.drafts import new_folder


def adapted_card(
    card: Card,
    loaded: LoadedWeights,
    variables: Variables,
    *,
    calibration: Calibration | None,
    measured: dict[str, dict[str, Any]],
    adapted: dict[str, Any],
) -> Card:
    """Returns the card of an adapted detector.

    Args:
      card: of the detector as it was.
      loaded: its network and where it came from.
      variables: the new ones.
      calibration: what was learned of the new logits; None for nothing.
      measured: figures of test sets, as in a card.
      adapted: by which images and options.
    """
    base = {"source": card.origin, "sha256": card.sha256, "adapted": card.adapted}
    return dataclasses.replace(
        card,
        sha256=sha256_of(variables),
        calibration=calibration,
        measured=measured,
        measured_by=str(card.protocol) if measured else "",
        model=network_options(loaded.model),
        adapted={"base": base, **adapted},
    )


def write_adapted(path: Path, loaded: LoadedWeights, variables: Variables, card: Card) -> None:
    """Writes the folder, which takes its name when it is complete.

    Raises:
      UserError: where the name is taken.
    """
    base = card.adapted["base"]
    with new_folder(path) as draft:
        write_detector(
            draft,
            flatten(variables),
            model=loaded.model,
            source=Source(file=base["source"], sha256=base["sha256"]),
            coverage=Coverage(used=(), ignored={}, replaced=()),
            spelling=loaded.spelling or card.spelling,
            crop=loaded.crop,
            card=card,
        )
