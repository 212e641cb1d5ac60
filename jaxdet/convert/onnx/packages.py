"""Imports the packages of the extra `onnx` for all others, with a line for those who lack them."""

from typing import Any

from jaxdet.errors import UserError

try:
    import onnx
    import onnxruntime
except ImportError:
    # `require_onnx` says so in a line.
    onnx: Any = None  # type: ignore[no-redef]
    onnxruntime: Any = None  # type: ignore[no-redef]

__all__ = ["onnx", "onnxruntime", "require_onnx"]


def require_onnx(option: str) -> None:
    """Sees that onnx and onnxruntime are installed.

    Raises:
      UserError: naming the option that needs them, and the extra that brings them.
    """
    if onnx is None or onnxruntime is None:
        raise UserError(
            f"{option}: needs the packages onnx and onnxruntime; in the checkout: pip install -e "
            "'.[onnx]'"
        )
