"""Imports the package onnx, of the extra `onnx`, for all others, with a line for who lacks it."""

from typing import Any

from jaxdet.convert.onnx.runtime import require_runtime
from jaxdet.errors import UserError

try:
    import onnx
except ImportError:
    onnx: Any = None  # type: ignore[no-redef]

__all__ = ["onnx", "require_onnx"]


def require_onnx(option: str) -> None:
    """Checks that onnx, which writes files, and onnxruntime, which runs them, are installed.

    Raises:
      UserError: naming the option that needs them, and the extra that brings them.
    """
    if onnx is None:
        raise UserError(
            f"{option}: needs the package onnx; in the checkout: pip install -e '.[onnx]'"
        )
    require_runtime(option)
