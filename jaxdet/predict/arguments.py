"""Checks what the Python calls that load weights are given."""

import os
from typing import Any

from jaxdet.errors import BadArgumentError


def check_arguments(function: str, path: Any, **names: Any) -> None:
    """Raises BadArgumentError where what a function loads is no path, or a name no text."""
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise BadArgumentError(f"{function} takes the path of weights, not {path!r:.40}")
    for name, value in names.items():
        if not isinstance(value, str | None):
            raise BadArgumentError(f"{name}={value!r:.40}: give a name")
