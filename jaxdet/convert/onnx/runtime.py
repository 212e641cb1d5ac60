"""Imports the package onnxruntime for all others, with a line for who lacks it."""

from typing import Any

from jaxdet.errors import UserError

try:
    import onnxruntime
except ImportError:
    onnxruntime: Any = None  # type: ignore[no-redef]

__all__ = ["onnxruntime", "require_runtime"]


def require_runtime(option: str) -> None:
    """Checks that onnxruntime is installed.

    Raises:
      UserError: naming the option that needs it.
    """
    if onnxruntime is None:
        raise UserError(f"{option}: needs the package onnxruntime; pip install onnxruntime")
