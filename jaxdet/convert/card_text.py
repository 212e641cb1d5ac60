"""Writes cards for people: what a detector is, what it was measured to do, and its limits."""

import json
from collections.abc import Iterator
from typing import Any

from jaxdet.config import Model
from jaxdet.convert.card import Card
from jaxdet.streams import printable


def readme(model: Model, card: Card) -> str:
    """Returns the model card of a shared detector: Markdown under a head that Hugging Face reads.

    The head is YAML, of which JSON is a part: no name, whatever is in it, is read as anything else.
    Its fields are those of the hub's model cards; `model-index` has the figures of each test set.
    """
    head = {
        **({"license": card.licence} if card.licence else {}),
        "library_name": "jaxdet",
        "pipeline_tag": "image-classification",
        "tags": ["jaxdet", "jax", "ai-generated-image-detection", model.name],
        **({"model-index": [_index(model, card)]} if card.measured else {}),
    }
    fields = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items())
    lines = ["---", *fields, "---", *_text(model, card).split("\n")]
    return "\n".join(map(printable, lines))


def _index(model: Model, card: Card) -> dict[str, Any]:
    """Returns the figures of each test set as an entry of `model-index`."""
    task = {"type": "image-classification", "name": "Detection of generated images"}
    return {
        "name": model.title,
        "results": [
            {
                "task": task,
                "dataset": {"name": name, "type": name},
                "metrics": [_average_precision(figures, card), _accuracy(figures)],
            }
            for name, figures in card.measured.items()
        ],
    }


def _average_precision(figures: dict[str, Any], card: Card) -> dict[str, Any]:
    return {
        "type": "average_precision",
        "value": figures["ap"],
        "name": "AP",
        "args": {
            "interval_95": figures["ap_ci95"],
            "n_real": figures["n_real"],
            "n_fake": figures["n_fake"],
            "protocol": card.measured_by,
        },
    }


def _accuracy(figures: dict[str, Any]) -> dict[str, Any]:
    return {"type": "accuracy", "value": figures["accuracy"], "name": "accuracy at probability 0.5"}


def _text(model: Model, card: Card) -> str:
    licence = card.licence or "not stated; without one, nobody but its owner may use the weights"
    return f"""\
# {model.title}

Tells generated images from photographs, by jaxdet:

    python -m jaxdet.hub pull hf://OWNER/NAME detector
    python -m jaxdet.predict --weights=detector photo.jpg

- Part of an image: {card.protocol}. {resizing(card)}
- A logit above 0 means generated.
{calibration(card)}
- Weights: {card.origin}; digest {card.digest}, SHA-256 over all values {card.sha256}.
- Licence of the weights: {licence}.

## Trained on

{training(card)}

## Measured

{measured(card)}

## Limits

{"".join(f"- {limit}{chr(10)}" for limit in card.limits())}"""


def resizing(card: Card) -> str:
    """Returns what to do with an image before it is cropped, in a sentence."""
    if card.protocol.resize:
        return f"Resize by Pillow's {card.protocol.kernel} filter, as it was measured; then crop."
    return "Crop, do not resize: resizing removes what the detector looks for."


def calibration(card: Card) -> str:
    """Returns how a logit becomes a probability and a decision, as an item of a list."""
    known = card.calibration
    if known is None:
        return "- The sigmoid of a logit is the probability, not calibrated."
    thresholds = ", ".join(
        f"{logit:.4f} for {name.removeprefix('fpr_')} % of real images called fake"
        for name, logit in known.thresholds.items()
        if name.startswith("fpr_") and logit is not None
    )
    scale = "not calibrated" if known.temperature is None else f"T = {known.temperature:.4f}"
    return (
        f"- Probability: sigmoid(logit / T), {scale}. Logits from which on an image is called "
        f"fake, by validation ({known.source}): {thresholds or 'none'}."
    )


def training(card: Card) -> str:
    """Returns what the detector was trained on, in a sentence."""
    if not card.training:
        return "Not known here."
    known = card.training
    classes = f", classes {', '.join(known['classes'])}" if known["classes"] else ""
    return f"{known['n_real']} real and {known['n_fake']} fake images of {known['root']}{classes}."


def measured(card: Card) -> str:
    """Returns the figures of each test set, as a table."""
    if not card.measured:
        return "Nothing is known here."
    names = (
        "test set", "AP", "95 % interval", "accuracy", "AP of sharpness alone", "real", "fake",
    )  # fmt: skip
    head = f"By {card.measured_by}:\n\n"
    rows = "".join(_rows(card))
    return f"{head}| {' | '.join(names)} |\n{'|---' * len(names)}|\n{rows}"


def _rows(card: Card) -> Iterator[str]:
    for name, one in card.measured.items():
        interval = " to ".join(f"{end:.4f}" for end in one["ap_ci95"] or ()) or "unknown"
        yield (
            f"| {_cell(name)} | {one['ap']:.4f} | {interval} | {one['accuracy']:.4f} | "
            f"{one['sharpness_ap']:.4f} | {one['n_real']} | {one['n_fake']} |\n"
        )


def _cell(name: str) -> str:
    """Returns a name as a cell of a table, which a bar or the end of a line would end."""
    return " ".join(name.split()).replace("|", r"\|")
