"""Writes detectors as ONNX files from JAX's own program of them, and runs these by onnxruntime."""

from pathlib import Path

SUFFIX = ".onnx"
# How a file may keep its kernels, the default first.
VARIANTS = ("float32", "float16", "int8")
KIND = "jaxdet-onnx"
# Under which a file's metadata has all that `card.json` of other exports says.
ABOUT = "jaxdet"
IMAGE, LOGIT = "image", "logit"


def is_onnx(path: Path) -> bool:
    """Returns whether a path is named as an ONNX file."""
    return path.suffix == SUFFIX
