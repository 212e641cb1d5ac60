"""An answer for any image: `load_detector`, and `python -m jaxdet.predict`."""

from typing import Any

__all__ = ["LoadedDetector", "load_detector"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: the command answers Ctrl-C while it still loads JAX.
    if name in __all__:
        from jaxdet.predict import detector

        return getattr(detector, name)
    raise AttributeError(f"module 'jaxdet.predict' has no attribute {name!r}")
