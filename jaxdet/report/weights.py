"""Names the weights that a run was measured with, and on which images, in words."""

from collections.abc import Mapping
from typing import Any

from jaxdet.results import Results
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


def equalised_line(results: Results) -> str:
    """Returns what was done to every image before it was scored; "" for nothing."""
    if results.equalise == "none":
        return ""
    return printable(
        f"Equalised: every test image, real and fake alike, was re-encoded as {results.equalise} "
        "before it was scored; metadata are what is left of them after it."
    )
