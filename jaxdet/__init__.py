"""Trains and evaluates detectors of CNN-generated images with JAX and Flax."""

import importlib
from typing import Any

__version__ = "0.1.0"
_PLACES = {
    "evaluate": "start",
    "list_images": "predict",
    "load_detector": "predict",
    "load_tower": "predict",
    "read_run": "report",
}
__all__ = ["evaluate", "list_images", "load_detector", "load_tower", "read_run", "train"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: importing jaxdet, as every input worker does, does not start JAX.
    if name == "train":
        return importlib.import_module("jaxdet.train")  # can be called
    if name in _PLACES:
        return getattr(importlib.import_module(f"jaxdet.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'jaxdet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
