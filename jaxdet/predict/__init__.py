"""An answer for any image: `load_detector`, `load_tower`, and `python -m jaxdet.predict`."""

from typing import Any

__all__ = ["LoadedDetector", "LoadedTower", "load_detector", "load_tower"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: the command answers Ctrl-C while it still loads JAX.
    if name in __all__:
        from jaxdet.predict import detector, tower

        return getattr(tower if "ower" in name else detector, name)
    raise AttributeError(f"module 'jaxdet.predict' has no attribute {name!r}")
