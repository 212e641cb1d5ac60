"""Writes detectors as ONNX files, with their preprocessing and all that is known of them inside."""

import json
from collections.abc import Mapping
from typing import Any

import jax
import jax.export
import jax.numpy as jnp

from jaxdet.convert.card import Card
from jaxdet.convert.describe import describe
from jaxdet.convert.load import LoadedWeights
from jaxdet.convert.onnx import ABOUT, IMAGE, KIND, LOGIT
from jaxdet.convert.onnx.graph import OPSET, Graph, element_type
from jaxdet.convert.onnx.packages import onnx
from jaxdet.convert.onnx.program import add_program
from jaxdet.errors import UserError
from jaxdet.models.architectures import architecture_of
from jaxdet.models.detector import get_detector
from jaxdet.models.platform import written_for

# The version of the file's own format: the oldest that may hold the operators of OPSET.
_IR_VERSION = 9
# What a file can hold: it is one message of protobuf, whose length is a signed number of 32 bits.
_MOST_BYTES = 2**31 - 1


def make_onnx(loaded: LoadedWeights, *, size: int, card: Card) -> Any:
    """Returns a detector as onnx's ModelProto, checked.

    It maps `image`, u8 [b, H, W, 3], to `logit`, f32 [b]; H and W are any where the network takes
    any, else `size`.

    Args:
      loaded: the detector, with float32 maps.
      size: side of the images of a network that does not take any, pixels.
      card: what is known of its weights.

    Raises:
      UserError: where the network computes something that is not expressed in ONNX, or the file
        would be too large.
    """
    shape = image_shape(loaded, size)
    graph = Graph({str(side): (IMAGE, axis) for axis, side in enumerate(shape)
                   if not isinstance(side, int)})  # fmt: skip
    apply = get_detector(loaded.model).apply
    try:
        with written_for("onnx"):
            name = add_program(
                graph,
                lambda variables, image: apply(variables, image).astype(jnp.float32),
                loaded.variables,
                jax.ShapeDtypeStruct(shape, jnp.uint8),
                name=IMAGE,
            )
    except NotImplementedError as error:
        raise UserError(
            f"--format=onnx: {loaded.model.title} is not expressed in ONNX: {error}; "
            "--format=stablehlo takes any network"
        ) from None
    graph.output(name, LOGIT)
    model = _model(graph, shape)
    about = {
        **describe(loaded.model, _printed(shape), card),
        "kind": KIND,
        "opset": OPSET,
        "variant": "float32",
        "smallest": architecture_of(loaded.model.name).smallest,
    }
    onnx.helper.set_model_props(model, _properties(about, card))
    if model.ByteSize() > _MOST_BYTES:
        raise UserError(
            f"--format=onnx: {loaded.model.title} takes {model.ByteSize()} bytes, and a file holds "
            f"{_MOST_BYTES} at most"
        )
    onnx.checker.check_model(model, full_check=True)
    return model


def image_shape(loaded: LoadedWeights, size: int) -> tuple[Any, ...]:
    """Returns the shape of the images, with names for sizes that only a run knows."""
    architecture = architecture_of(loaded.model.name)
    if not architecture.any_size:
        return (*jax.export.symbolic_shape("b"), size, size, 3)
    least = architecture.smallest
    sides = jax.export.symbolic_shape("b, h, w", constraints=[f"h >= {least}", f"w >= {least}"])
    return (*sides, 3)


def _model(graph: Graph, shape: tuple[Any, ...]) -> Any:
    helper = onnx.helper
    sizes = _printed(shape)
    image = helper.make_tensor_value_info(IMAGE, element_type("uint8"), sizes)
    logit = helper.make_tensor_value_info(LOGIT, element_type("float32"), sizes[:1])
    made = helper.make_graph(
        graph.nodes, "detector", [image], [logit], initializer=list(graph.constants.values())
    )
    return helper.make_model(
        made,
        producer_name="jaxdet",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
    )


def _printed(shape: tuple[Any, ...]) -> list[int | str]:
    return [size if isinstance(size, int) else str(size) for size in shape]


def _properties(about: Mapping[str, Any], card: Card) -> dict[str, str]:
    """Returns the metadata: the essentials each by itself, and all in one for `read_onnx`."""
    output = about["output"]
    return {
        "architecture": about["model"]["name"],
        "digest": card.digest,
        "opset": str(about["opset"]),
        "threshold": f"logit {output['threshold']}",
        "temperature": str(output["temperature"]),
        "preprocessing": f"{about['input']['part']}; uint8 RGB as decoded, the rest is inside",
        "limits": " ".join(about["limits"]),
        ABOUT: json.dumps(about),
    }
