"""A detector as one file that runs with JAX alone: StableHLO with weights and preprocessing."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from jaxdet import config as schema
from jaxdet.convert.check import Score, Side
from jaxdet.convert.load import LoadedWeights
from jaxdet.errors import UserError
from jaxdet.files import check_schema, read_json, write_bytes, write_json
from jaxdet.models.detector import get_detector
from jaxdet.models.pixels import IMAGENET_MEAN, IMAGENET_STD

SCHEMA_VERSION = 1
KIND = "jaxdet-export"
PLATFORMS = ("cpu", "cuda", "tpu")
CARD = "card.json"
_PROGRAM, _TEXT = "detector.stablehlo", "card.md"


def is_export(path: Path) -> bool:
    """Whether the folder holds an exported detector."""
    return (path / _PROGRAM).is_file()


def write_export(
    folder: Path,
    loaded: LoadedWeights,
    *,
    size: int,
    source: dict[str, Any],
    training: schema.Config | None,
) -> None:
    """Writes program and card into an empty folder.

    Args:
      folder: where.
      loaded: the detector.
      size: side of the images that it takes, pixels.
      source: what the card says of where the weights came from.
      training: the config of the run, where it is known.
    """
    exported = _trace(loaded, size)
    write_bytes(folder / _PROGRAM, bytes(exported.serialize()))
    card = _card(loaded.model, size, exported, source, training)
    write_json(folder / CARD, card)
    write_bytes(folder / _TEXT, _text(card).encode())


def read_export(folder: Path) -> tuple[Side, int]:
    """An exported detector as a side of a comparison, and the size of its images in pixels.

    Raises:
      UserError: where a file is missing or damaged.
    """
    card = read_json(folder / CARD)
    if not isinstance(card, dict) or card.get("kind") != KIND:
        raise UserError(f"{folder / CARD}: does not describe an exported detector")
    check_schema(folder / CARD, card.get("schema_version"), known=SCHEMA_VERSION)
    model = schema.from_json_dict({"model": card.get("model")}).model
    side = Side(name=str(folder), model=model, score=_score(folder / _PROGRAM), arrays=None)
    return side, int(card["input"]["shape"][1])


def _score(path: Path) -> Score:
    try:
        # Not a pickle: a flatbuffer around a StableHLO module, which only computes.
        exported = jax.export.deserialize(bytearray(path.read_bytes()))
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


def _card(
    model: schema.Model,
    size: int,
    exported: jax.export.Exported,
    source: dict[str, Any],
    training: schema.Config | None,
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "model": {k: v for k, v in dataclasses.asdict(model).items() if k != "init"},
        "input": {
            "dtype": "uint8",
            "shape": ["b", size, size, 3],
            "meaning": "RGB as decoded, 0..255; b is any number of images",
            "normalisation": "inside the program: (x / 255 - mean) / std",
            "mean": IMAGENET_MEAN.tolist(),
            "std": IMAGENET_STD.tolist(),
        },
        "output": {
            "dtype": "float32",
            "shape": ["b"],
            "meaning": "logit; the probability of a generated image is its sigmoid",
            "threshold": 0,
        },
        "platforms": list(exported.platforms),
        "jax": jax.__version__,
        "calling_convention": exported.calling_convention_version,
        "source": source,
        "training": None if training is None else schema.to_json_dict(training),
        "licence": "The weights carry the licence of their source; the format adds none.",
    }


def _text(card: dict[str, Any]) -> str:
    """The card for people."""
    size, model = card["input"]["shape"][1], card["model"]
    return f"""\
# {model["name"]} of width {model["width"]}, exported

Tells images made by a CNN from photographs. `{_PROGRAM}` needs JAX (and the package
flatbuffers, with which JAX reads it):

    import jax.export
    detector = jax.export.deserialize(bytearray(open("{_PROGRAM}", "rb").read()))
    logits = detector.call(images)

- `images`: uint8 `[b, {size}, {size}, 3]`, RGB as decoded; normalisation is inside.
- `logits`: float32 `[b]`; above 0 the image is held for generated. The sigmoid is the probability.
- Runs on: {", ".join(card["platforms"])}.
- Weights from: {card["source"]["file"]}, SHA-256 {card["source"]["sha256"]}.
- Licence: {card["licence"]}

Crop images to {size} pixels, do not resize them: resizing removes what the detector looks for.
Everything else is in `{CARD}`{", with the training config" if card["training"] else ""}.
"""
