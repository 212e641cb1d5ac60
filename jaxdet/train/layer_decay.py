"""Gives the layers of a vision tower learning rates that are the smaller the earlier a layer is."""

import re
from typing import Any

import jax
import optax

# Of `vit/blocks_3/attn/q/kernel`, the 3; and what stands before the first block.
_BLOCK = re.compile(r"\['vit'\]\['blocks_([0-9]+)'\]")
_BEFORE = re.compile(r"\['vit'\]\['(patch_embed|(cls|reg|mask)_token|pos_embed|norm_pre)'\]")


def scale_by_depth(decay: float) -> optax.GradientTransformation:
    """Returns a transformation that multiplies the updates of a tower's layers, as BEiT does.

    Those of the last block by `decay`, of each block before it by one power more, of what stands
    before the first block by one more again; all others stay.
    """

    def update(updates: Any, params: Any = None) -> Any:
        del params
        paths = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(updates)]
        depth = 1 + max((int(match[1]) for match in map(_BLOCK.match, paths) if match), default=-1)

        def scaled(path: Any, value: jax.Array) -> jax.Array:
            return value * decay ** _distance(jax.tree_util.keystr(path), depth)

        return jax.tree.map_with_path(scaled, updates)

    return optax.stateless(update)


def _distance(path: str, depth: int) -> int:
    """Returns how many layers there are from a parameter's to the first behind the blocks."""
    if block := _BLOCK.match(path):
        return depth - int(block[1])
    return depth + 1 if _BEFORE.match(path) else 0
