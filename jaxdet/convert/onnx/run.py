"""Reads ONNX files of detectors, and runs them by onnxruntime on the CPU."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet import config as schema
from jaxdet.convert.card import Card, read_card
from jaxdet.convert.describe import SCHEMA_VERSION
from jaxdet.convert.onnx import ABOUT, IMAGE, KIND
from jaxdet.convert.onnx.runtime import onnxruntime, require_runtime
from jaxdet.errors import UserError
from jaxdet.workdir.files import check_schema, open_regular

# The variant whose logits are so far from those of the weights that no threshold carries over.
_OTHER_LOGITS = "int8"


@dataclasses.dataclass(frozen=True, kw_only=True)
class OnnxProgram:
    """Holds a detector that onnxruntime runs.

    Attributes:
      source: the file.
      model: the network.
      card: what is known of it.
      size: side of the only images that it takes, pixels; 0 for any.
      smallest: side of the smallest image that it takes, pixels.
      variant: "float32", "float16" or "int8".
      session: of onnxruntime.
    """

    source: str
    model: schema.Model
    card: Card
    size: int
    smallest: int
    variant: str
    session: Any

    def score(self, image: np.ndarray) -> np.ndarray:
        """Returns the logits, f32 [B], of u8 [B, H, W, 3]."""
        (logits,) = self.session.run(None, {IMAGE: image})
        return np.asarray(logits)


def read_onnx(path: Path) -> OnnxProgram:
    """Returns the detector of a file that `export --format=onnx` wrote.

    Raises:
      UserError: where onnxruntime is missing, or the file is damaged or of somebody else.
    """
    require_runtime(str(path))
    try:
        with open_regular(path) as file:
            content = file.read()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    return open_onnx(content, path)


def open_onnx(content: bytes, path: Path) -> OnnxProgram:
    """Returns the detector of the bytes of a file, which messages call `path`.

    Raises:
      UserError: as `read_onnx`.
    """
    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen kinds of its own
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: damaged, or no ONNX file: {reason:.200}") from None
    try:
        about = json.loads(session.get_modelmeta().custom_metadata_map.get(ABOUT, "null"))
    except ValueError:
        about = None
    if not isinstance(about, dict) or about.get("kind") != KIND:
        raise UserError(f"{path}: was not written by `python -m jaxdet.convert export`")
    check_schema(path, about.get("schema_version"), known=SCHEMA_VERSION)
    try:
        side = about["input"]["shape"][1]
        size, variant = side if isinstance(side, int) else 0, str(about["variant"])
        smallest = int(about["smallest"])
    except (KeyError, TypeError, ValueError, IndexError):
        raise UserError(f"{path}: does not say which images it takes; export it again") from None
    model = schema.from_json_dict({"model": about.get("model")}).model
    card = read_card(about.get("card"), place=path)
    if variant == _OTHER_LOGITS:
        # What images taught and what was measured are of other logits.
        card = dataclasses.replace(card, calibration=None, measured={}, measured_by="")
    return OnnxProgram(
        source=str(path), model=model, card=card, size=size, smallest=smallest, variant=variant,
        session=session,
    )  # fmt: skip
