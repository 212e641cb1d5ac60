"""Pushes and pulls detectors to share, by folder or Hugging Face; fetches released ones."""

from typing import Any

__all__ = ["pull", "push"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: the command answers Ctrl-C while it still loads JAX.
    if name in __all__:
        from jaxdet.hub import share

        return getattr(share, name)
    raise AttributeError(f"module 'jaxdet.hub' has no attribute {name!r}")
