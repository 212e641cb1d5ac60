"""Lays the arrays of a training state out in a device's memory.

On GPUs the gradient of a convolution's kernel comes with its output channels first. A kernel
[H, W, I, O] and its moments that lie in that order, too, are stepped in place; in any other each
is copied once a step (docs/evidence/gpu.md). Shapes, values and what is saved stay as they are.
"""

from typing import Any

import jax
from jax.experimental.layout import Format, Layout
from jax.sharding import Mesh

from jaxdet.runtime.mesh import replicated

_PLATFORMS = ("gpu",)
_OUTPUTS_FIRST = Layout(major_to_minor=(3, 0, 1, 2))


def stepped(mesh: Mesh, tree: Any) -> Any:
    """Returns where and how each array of a state, or shape of one, lies while it is trained."""
    full = replicated(mesh)
    kernel = Format(_OUTPUTS_FIRST, full) if _has_layouts(mesh) else full
    return jax.tree.map(lambda leaf: kernel if leaf.ndim == 4 else full, tree)


def as_stepped(mesh: Mesh, tree: Any) -> Any:
    """Returns the arrays as a training step takes them."""
    return jax.device_put(tree, stepped(mesh, tree)) if _has_layouts(mesh) else tree


def as_saved(tree: Any) -> Any:
    """Returns the arrays in the order of their axes; those that lie so are not copied."""
    return jax.tree.map(_in_order, tree)


def _has_layouts(mesh: Mesh) -> bool:
    return mesh.devices.flat[0].platform in _PLATFORMS


def _in_order(leaf: Any) -> Any:
    if not isinstance(leaf, jax.Array):
        return leaf
    layout: Layout | None = leaf.format.layout  # type: ignore[attr-defined]  # not in JAX's stubs
    axes = tuple(range(leaf.ndim))
    if layout is None or layout.major_to_minor == axes:
        return leaf
    return jax.device_put(leaf, Format(Layout(major_to_minor=axes), leaf.sharding))
