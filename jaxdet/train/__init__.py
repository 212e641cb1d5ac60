"""Trains detectors; start with `loop.py`.

The package can be called: `jaxdet.train(config, workdir=None, options=None, *,
accept_changes=False)` trains in a folder and returns what the run has written. `config` is a
`jaxdet.config.Config`, a preset's name or a file; `workdir` is the run's folder, `runs/NAME` where
left out; `options` are dotted names to values that are laid over the config's; `accept_changes`
lets a run of another config go on under this one. `help(jaxdet.start.train)` has the errors.
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
