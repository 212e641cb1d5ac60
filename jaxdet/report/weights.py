"""Which weights a run was measured with, in words."""

from collections.abc import Mapping
from typing import Any

from jaxdet.streams import printable

_OWN = "trained here"


def weights_line(weights: Mapping[str, Any]) -> str:
    """Names the checkpoint, its step and the digest of its weights; "" where nothing is known.

    Weights from a file have no step, and there the choice among checkpoints chose nothing.
    """
    origin, step, digest = (weights.get(name) for name in ("origin", "step", "digest"))
    choice = weights.get("choice") or weights.get("name")
    said = []
    if choice and (origin == _OWN or step is not None):
        said.append(f"checkpoint {choice}")
    if step is not None:
        said.append(f"step {step}")
    if origin:
        said.append(_OWN if origin == _OWN else f"from {origin}")
    if digest:
        said.append(f"digest {digest}")
    return printable(f"Weights measured: {', '.join(said)}.") if said else ""
