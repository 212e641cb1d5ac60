"""Measures features of a frozen tower per second: ours, and the same tower in PyTorch."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxdet.bench.step import check_torch_installed, take_turns
from jaxdet.bench.stepper import Settings
from jaxdet.errors import RunFailedError, UserError
from jaxdet.models.towers import Tower, read_tower

# Largest difference of features to those of the first row, beside their largest value. Products of
# matrices are TF32's on accelerators.
_BOUNDS = {"float32": 1e-4, "bfloat16": 5e-2}
_BOUND_OF_ACCELERATORS = 1e-2


def measure_features(
    ways: Sequence[Settings], *, steps: int, rounds: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Returns the rows of `bench features`, ours first, which the others are measured against.

    Raises:
      UserError: where PyTorch is among the ways and not installed, has no such tower here, or
        works on another kind of device than JAX.
      RunFailedError: where our own way fails, or two ways give other features.
    """
    if len(ways) > 1:
        _check_tower(read_tower(ways[0].arch))
        check_torch_installed()
    rows = take_turns(ways, steps=steps, rounds=rounds, say=say)
    given = [np.array(row["features"]) for row in rows if "features" in row]
    bound = _BOUNDS[ways[0].dtype]
    if rows[0]["platform"] != "cpu":
        bound = max(bound, _BOUND_OF_ACCELERATORS)
    for features in given[1:]:
        apart = np.abs(features - given[0]).max() / np.abs(given[0]).max()
        if apart > bound:
            raise RunFailedError(f"the features of two ways differ by {apart:.2g} of the largest")
    return rows


def _check_tower(tower: Tower) -> None:
    """Raises UserError for a tower that `bench/torch_tower.py` does not have."""
    plain = tower.positions == "all" and tower.qkv_bias == "all" and tower.pool == "class"
    if not plain or tower.gated or tower.activation == "silu":
        raise UserError(
            f"--tower={tower.text}: PyTorch's rows are of CLIP, AugReg and DINOv2 without SwiGLU; "
            "leave --reference=torch out"
        )
