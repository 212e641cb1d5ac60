"""jaxdet trains and evaluates detectors of CNN-generated images."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["load_detector"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: importing jaxdet, as every input worker does, does not start JAX.
    if name == "load_detector":
        from jaxdet.predict import load_detector

        return load_detector
    raise AttributeError(f"module 'jaxdet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
