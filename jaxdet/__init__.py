"""jaxdet trains and evaluates detectors of CNN-generated images."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["list_images", "load_detector", "load_tower"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: importing jaxdet, as every input worker does, does not start JAX.
    if name in __all__:
        from jaxdet import predict

        return getattr(predict, name)
    raise AttributeError(f"module 'jaxdet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
