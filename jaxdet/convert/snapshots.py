"""Reads folders from the hub of Hugging Face: weights beside their publisher's config.json."""

import os
from pathlib import Path

_WEIGHTS = (
    "model.safetensors", "model.safetensors.index.json", "open_clip_model.safetensors",
    "pytorch_model.bin", "open_clip_pytorch_model.bin",
)  # fmt: skip
# Beside them config.json is that of a run.
_OF_RUNS = ("checkpoints", "metrics.jsonl", "env.json")


def published_weights(folder: Path) -> Path | None:
    """Returns the weights in a folder from the hub of Hugging Face; None where it is no such."""
    if any(os.path.lexists(folder / name) for name in _OF_RUNS):
        return None
    return next((file for name in _WEIGHTS if (file := folder / name).is_file()), None)
