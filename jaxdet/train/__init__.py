"""The training loop and its parts; start with `loop.py`.

The package can be called: `jaxdet.train(config)` is `jaxdet.start.train`.
"""

import importlib
import sys
import types
from typing import Any


class _Room(types.ModuleType):
    """Holds the room and answers to the call, which has the same name."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Trains; see `jaxdet.start.train`, which stands above this room."""
        start = importlib.import_module("jaxdet.start")
        return start.train(*arguments, **options)


sys.modules[__name__].__class__ = _Room
