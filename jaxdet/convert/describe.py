"""Describes an exported detector, in whichever format it is."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from jaxdet.config.model import PROBES, Model
from jaxdet.convert.card import Card, network_options
from jaxdet.models.imagenet import IMAGENET_MEAN, IMAGENET_STD
from jaxdet.models.towers import read_tower

SCHEMA_VERSION = 1


def describe(model: Model, shape: Sequence[int | str], card: Card) -> dict[str, Any]:
    """Returns what is known of an exported detector, as plain values.

    Args:
      model: the network.
      shape: of the images that it takes; a letter for a size that may be any.
      card: what is known of its weights.
    """
    mean, std = IMAGENET_MEAN.tolist(), IMAGENET_STD.tolist()
    if model.name in PROBES:
        mean, std = read_tower(model.tower).mean_and_deviation
    return {
        "schema_version": SCHEMA_VERSION,
        "model": network_options(model),
        "input": {
            "dtype": "uint8",
            "shape": list(shape),
            "meaning": "RGB as decoded, 0..255; b is any number of images",
            "part": str(card.protocol),
            "normalisation": "inside the program: (x / 255 - mean) / std",
            "mean": mean,
            "std": std,
        },
        "output": {
            "dtype": "float32",
            "shape": ["b"],
            "meaning": "logit; P(generated) is sigmoid(logit / temperature)",
            "threshold": 0,
            "temperature": card.calibration.temperature if card.calibration else None,
            "thresholds": card.calibration.thresholds if card.calibration else {},
        },
        "source": {"file": card.source, "sha256": card.file_sha256 or None},
        "card": dataclasses.asdict(card),
        "limits": card.limits(),
        "licence": card.licence
        or "The weights carry the licence of their source; the format adds none.",
    }
