"""Exports a detector to one ONNX file, which is run against JAX before it takes its name."""

import dataclasses
from pathlib import Path

import jax

from jaxdet.convert.card import Card
from jaxdet.convert.check import Comparison, compare, program_side, weights_side
from jaxdet.convert.load import LoadedWeights
from jaxdet.convert.onnx import SUFFIX, VARIANTS, is_onnx
from jaxdet.convert.onnx.packages import require_onnx
from jaxdet.convert.onnx.run import OnnxProgram, open_onnx
from jaxdet.convert.onnx.variants import as_variant
from jaxdet.convert.onnx.write import make_onnx
from jaxdet.errors import RunFailedError, UserError
from jaxdet.models.detector import host
from jaxdet.models.platform import written_for
from jaxdet.workdir.drafts import replacing

# Between JAX's logits and onnxruntime's of a file in float32.
_TOLERANCE = 1e-4


def check_format(path: Path, format: str, variant: str) -> None:
    """Sees that a detector can be exported in a format.

    Args:
      path: where it is to go.
      format: "stablehlo" or "onnx".
      variant: one of VARIANTS.

    Raises:
      UserError: where the options do not fit each other, or packages are missing.
    """
    if format == "onnx":
        require_onnx("--format=onnx")
        if not is_onnx(path):
            raise UserError(f"{path}: give the file a name that ends in {SUFFIX}")
    elif is_onnx(path):
        raise UserError(f"{path}: ends in {SUFFIX}; add --format=onnx")
    elif variant != VARIANTS[0]:
        raise UserError(f"--variant={variant}: needs --format=onnx")


def export_onnx(
    path: Path, loaded: LoadedWeights, *, size: int, card: Card, variant: str
) -> tuple[OnnxProgram, list[Comparison]]:
    """Writes a detector into a new file; returns it as it is run, and how far it is from JAX.

    Args:
      path: of the file.
      loaded: the detector.
      size: side of its images, pixels.
      card: what is known of its weights.
      variant: one of VARIANTS.

    Raises:
      RunFailedError: where the logits of one in float32 differ from JAX's.
      UserError: where it cannot be expressed in ONNX, or the name is taken.
    """
    # Its maps are float32 whatever those of the run were: onnxruntime has no others on CPUs.
    loaded = dataclasses.replace(loaded, model=dataclasses.replace(loaded.model, dtype="float32"))
    content = as_variant(make_onnx(loaded, size=size, card=card), variant).SerializeToString()
    program = open_onnx(content, path)
    # Sides that nothing divides, too, where they may be any.
    sizes = (size,) if program.size else (size, size + size // 4 + 1)
    ours, theirs = weights_side(loaded), program_side(program)
    # An accelerator would round JAX's.
    with jax.default_device(host()), written_for("cpu"):
        comparisons = [
            compare(ours, theirs, size=side, count=count, seed=0)
            for count, side in enumerate(sizes, start=2)
        ]
    for found in comparisons:
        if variant == VARIANTS[0] and not found.within(_TOLERANCE):
            raise RunFailedError(
                f"{path}: onnxruntime's logits are off by {found.largest_logit_difference} on "
                f"images of {found.size} pixels; not written"
            )
    with replacing(path, new=True) as file:
        file.write(content)
    return program, comparisons
