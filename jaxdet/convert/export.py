"""Writes a detector as one file for JAX alone: StableHLO with weights and preprocessing."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from jaxdet import config as schema
from jaxdet.convert.card import Card
from jaxdet.convert.card_text import calibration, measured, resizing, training
from jaxdet.convert.check import Comparison, Score, Side, compare, weights_side
from jaxdet.convert.describe import SCHEMA_VERSION, describe
from jaxdet.convert.load import LoadedWeights
from jaxdet.errors import RunFailedError, UserError
from jaxdet.models.detector import get_detector
from jaxdet.streams import printable
from jaxdet.workdir.drafts import new_folder
from jaxdet.workdir.files import (
    check_schema,
    open_regular,
    read_json,
    within,
    write_bytes,
    write_json,
)

KIND = "jaxdet-export"
PLATFORMS = ("cpu", "cuda", "tpu")
CARD = "card.json"
# Between the logits of two compilations of one network in float32.
_TOLERANCE = 1e-4
_PROGRAM, _TEXT = "detector.stablehlo", "card.md"


def is_export(path: Path) -> bool:
    """Returns whether the folder holds an exported detector."""
    return (path / _PROGRAM).is_file()


def export_program(path: Path, loaded: LoadedWeights, *, size: int, card: Card) -> Comparison:
    """Writes a detector into a new folder, run before that takes its name; returns how it ran.

    Args:
      path: the folder.
      loaded: the detector.
      size: side of the images that it takes, pixels.
      card: what is known of its weights.

    Raises:
      RunFailedError: where its logits are not those of the weights.
      UserError: where the name is taken.
    """
    with new_folder(path) as draft:
        write_export(draft, loaded, size=size, card=card)
        written, _ = read_export(draft)
        comparison = compare(weights_side(loaded), written, size=size, count=2, seed=0)
        if not comparison.within(_TOLERANCE):
            raise RunFailedError(
                f"{path}: the program's logits are off by {comparison.largest_logit_difference}"
            )
        figures = {
            "first": loaded.source,
            "second": str(path),
            "images": 2,
            **dataclasses.asdict(comparison),
        }
        write_json(draft / CARD, {**read_json(draft / CARD), "check": figures})
    return comparison


def write_export(folder: Path, loaded: LoadedWeights, *, size: int, card: Card) -> None:
    """Writes program and card into an empty folder.

    Args:
      folder: where.
      loaded: the detector.
      size: side of the images that it takes, pixels.
      card: what is known of its weights.
    """
    exported = _trace(loaded, size)
    program = bytes(exported.serialize())
    write_bytes(folder / _PROGRAM, program)
    about = _about(loaded.model, size, exported, card)
    about["program_sha256"] = hashlib.sha256(program).hexdigest()
    write_json(folder / CARD, about)
    lines = map(printable, _text(about, card).split("\n"))
    write_bytes(folder / _TEXT, "\n".join(lines).encode())


def read_export(folder: Path) -> tuple[Side, int]:
    """Returns an exported detector as a side of a comparison, and its images' size in pixels.

    Raises:
      UserError: where a file is missing or damaged.
    """
    card = read_json(within(folder, CARD))
    if not isinstance(card, dict) or card.get("kind") != KIND:
        raise UserError(f"{folder / CARD}: does not describe an exported detector")
    check_schema(folder / CARD, card.get("schema_version"), known=SCHEMA_VERSION)
    model = schema.from_json_dict({"model": card.get("model")}).model
    try:
        size = int(card["input"]["shape"][1])
    except (KeyError, TypeError, ValueError, IndexError):
        raise UserError(f"{folder / CARD}: does not say which images it takes") from None
    score = _score(within(folder, _PROGRAM))
    return Side(name=str(folder), model=model, score=score, arrays=None), size


def _score(path: Path) -> Score:
    try:
        # Not a pickle: a flatbuffer around a StableHLO module, which only computes.
        with open_regular(path) as file:
            exported = jax.export.deserialize(bytearray(file.read()))
    except Exception as error:  # flatbuffers and MLIR raise many kinds at damaged bytes
        raise UserError(f"{path}: damaged, or not written by this command: {error}") from None
    call = jax.jit(exported.call)
    return lambda image: np.asarray(call(image), np.float32)


def _trace(loaded: LoadedWeights, size: int) -> jax.export.Exported:
    detector = get_detector(loaded.model)

    def logits(image: jax.Array) -> jax.Array:
        return detector.apply(loaded.variables, image).astype(jnp.float32)

    (batch,) = jax.export.symbolic_shape("b")
    image = jax.ShapeDtypeStruct((batch, size, size, 3), jnp.uint8)
    return jax.export.export(jax.jit(logits), platforms=PLATFORMS)(image)


def _about(
    model: schema.Model, size: int, exported: jax.export.Exported, card: Card
) -> dict[str, Any]:
    return {
        **describe(model, ["b", size, size, 3], card),
        "kind": KIND,
        "platforms": list(exported.platforms),
        "jax": jax.__version__,
        "calling_convention": exported.calling_convention_version,
    }


def _text(about: dict[str, Any], card: Card) -> str:
    """Returns the text of the card for people."""
    size, title = about["input"]["shape"][1], schema.Model(**about["model"]).title
    file = f" (file of SHA-256 {card.file_sha256})" if card.file_sha256 else ""
    return f"""\
# {title}, exported

Tells generated images from photographs. `{_PROGRAM}` needs JAX (and the package
flatbuffers, with which JAX reads it):

    import jax.export
    detector = jax.export.deserialize(bytearray(open("{_PROGRAM}", "rb").read()))
    logits = detector.call(images)

- `images`: uint8 `[b, {size}, {size}, 3]`, RGB as decoded; normalisation is inside.
- Part of an image: {card.protocol}. {resizing(card)}
- `logits`: float32 `[b]`; above 0 the image is held for generated.
{calibration(card)}
- Runs on: {", ".join(about["platforms"])}.
- Weights: {card.origin}{file}; SHA-256 over all values {card.sha256}.
- SHA-256 of the program: {about["program_sha256"]}.
- Licence: {about["licence"]}

## Trained on

{training(card)}

## Measured

{measured(card)}

## Limits

{"".join(f"- {limit}{chr(10)}" for limit in about["limits"])}
Everything else is in `{CARD}`.
"""
