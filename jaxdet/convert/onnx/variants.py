"""Writes ONNX files of detectors with their kernels in fewer bits."""

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from jaxdet.convert.onnx import ABOUT
from jaxdet.convert.onnx.graph import WEIGHT, element_type
from jaxdet.convert.onnx.packages import onnx

# Of float16; a kernel with larger values stays as it is.
_LARGEST = float(np.finfo(np.float16).max)


def as_variant(model: Any, variant: str) -> Any:
    """Returns a ModelProto of `make_onnx` in another form, and says so in its metadata.

    Args:
      model: the detector in float32.
      variant: one of `convert.onnx.VARIANTS`.
    """
    properties = {one.key: one.value for one in model.metadata_props}
    made = _MAKE[variant](model)
    properties[ABOUT] = json.dumps({**json.loads(properties[ABOUT]), "variant": variant})
    onnx.helper.set_model_props(made, properties)
    onnx.checker.check_model(made)
    return made


def _float16(model: Any) -> Any:
    """Keeps kernels in half precision, and computes in float32 as before.

    Front-ends and normalisations stay as they are: logarithms and statistics do not bear it.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    casts = []
    for tensor in made.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if not _is_weight(tensor) or np.abs(array).max(initial=0) > _LARGEST:
            continue
        name, half = tensor.name, f"{tensor.name}_half"
        tensor.CopyFrom(onnx.numpy_helper.from_array(array.astype(np.float16), half))
        casts.append(onnx.helper.make_node("Cast", [half], [name], to=element_type("float32")))
    nodes = [*casts, *made.graph.node]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    return made


def _int8(model: Any) -> Any:
    """Quantises kernels beforehand and what they are applied to in each run, by onnxruntime."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # Without this word onnxruntime advises its own preprocessing, of which all is done: shapes are
    # known as far as they can be, and what is constant is computed.
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    weights = {tensor.name for tensor in model.graph.initializer if _is_weight(tensor)}
    others = [node.name for node in model.graph.node
              if node.op_type in _QUANTISED and node.input[1] not in weights]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(
            model, path, op_types_to_quantize=list(_QUANTISED), nodes_to_exclude=others,
            # Of convolutions onnxruntime has none but those of unsigned numbers on CPUs.
            weight_type=QuantType.QUInt8,
        )  # fmt: skip
        return onnx.load(path)


def _is_weight(tensor: Any) -> bool:
    return tensor.name.startswith(WEIGHT) and tensor.data_type == element_type("float32")


_QUANTISED = ("Conv", "MatMul")
_MAKE: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {"float32": lambda model: model, "float16": _float16, "int8": _int8}
)
