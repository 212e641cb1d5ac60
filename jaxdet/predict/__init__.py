"""Answers for any image: `load_detector`, `load_tower`, and `python -m jaxdet.predict`."""

import importlib
from typing import Any

_PLACES = {
    "LoadedDetector": "detector",
    "LoadedTower": "tower",
    "list_images": "pixels",
    "load_detector": "opening",
    "load_tower": "tower",
}
__all__ = ["LoadedDetector", "LoadedTower", "list_images", "load_detector", "load_tower"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: the command answers Ctrl-C while it still loads JAX.
    if name in _PLACES:
        return getattr(importlib.import_module(f"jaxdet.predict.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'jaxdet.predict' has no attribute {name!r}")
