"""Trains low-rank matrices beside the kernels of a vision tower: LoRA's, and the last of an SVD.

A layer with an adapter has, beside kernel [in, out] and bias, `adapter_in` [in, r], `adapter_scale`
[r] and `adapter_out` [r, out]; it computes with the kernel + adapter_in * adapter_scale @
adapter_out.
"""

import math
from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.lax import Precision

from jaxdet.config.model import Model
from jaxdet.errors import UserError

Tree = dict[str, Any]

# What a layer has of an adapter, and what of it is trained.
_ADAPTER = ("adapter_in", "adapter_scale", "adapter_out")
TRAINED = {"lora": ("adapter_in", "adapter_out"), "svd": _ADAPTER}
# Where nothing is asked for: DDA's rank, and Effort's.
_RANKS = {"lora": 8, "svd": 1}


class AdaptedDense(nn.Dense):
    """Transforms by a dense layer, and by its adapter where the parameters have one."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns [..., out] of [..., in], in the dtype of the layer."""
        y: jax.Array = super().__call__(x)
        if not self.has_variable("params", _ADAPTER[0]):
            return y
        parts: list[jax.Array] = [self.get_variable("params", name) for name in _ADAPTER]
        inwards, scale, outwards = parts
        return y + ((x @ inwards) * scale) @ outwards


def check_rank(model: Model, narrowest: int) -> None:
    """Raises UserError where an adapter is as wide as the narrowest layer of the tower."""
    if _rank(model) >= narrowest:
        raise UserError(
            f"model.tune_rank={_rank(model)}: layers of {model.tower} have {narrowest} "
            "channels; give fewer"
        )


def _rank(model: Model) -> int:
    return model.tune_rank or _RANKS[model.tune]


def adapted(model: Model, params: Tree, *, seed: int) -> Tree:
    """Returns the parameters of a network with the adapters that training begins with.

    With them the network is the same function up to rounding. `model.tune=lora` puts one on every
    dense layer of the tower's blocks, as DDA does: `adapter_in` evenly within 1 / sqrt(in) and
    `adapter_out` of zeros (Hu et al., ICLR 2022). `svd` takes the last singular triplets of each
    layer of the blocks' attention out of its kernel (Yan et al., ICML 2025).

    Args:
      model: its options.
      params: of the network, arrays.
      seed: of LoRA's `adapter_in`.
    """
    if model.tune not in TRAINED:
        return params
    rng = jax.random.key(seed)
    tower = {**params["vit"]}
    for name in sorted(tower):
        if name.startswith("blocks_"):
            rng, own = jax.random.split(rng)
            tower[name] = _block(model, tower[name], own)
    return {**params, "vit": tower}


def _block(model: Model, block: Tree, rng: jax.Array) -> Tree:
    """Returns a block with adapters on its layers."""
    rank, layers = _rank(model), {}
    if model.tune == "svd":
        layers = {name: _last_of_svd(layer, rank) for name, layer in block["attn"].items()}
        return {**block, "attn": layers}
    for part in ("attn", "mlp"):
        layers[part] = {**block[part]}
        for name in sorted(block[part]):
            rng, own = jax.random.split(rng)
            layers[part][name] = _lora(block[part][name], rank, model.tune_alpha, own)
    return {**block, **layers}


def _lora(layer: Tree, rank: int, alpha: float, rng: jax.Array) -> Tree:
    """Returns a layer with LoRA's adapter, of which the scale, alpha / rank, is no parameter."""
    inputs, outputs = layer["kernel"].shape
    bound = 1 / math.sqrt(inputs)
    return {
        **layer,
        "adapter_in": jax.random.uniform(rng, (inputs, rank), minval=-bound, maxval=bound),
        "adapter_scale": jnp.full((rank,), alpha / rank),
        "adapter_out": jnp.zeros((rank, outputs)),
    }


def _last_of_svd(layer: Tree, rank: int) -> Tree:
    """Returns a layer whose kernel has lost its last singular triplets to an adapter."""
    left, values, right = jnp.linalg.svd(jnp.asarray(layer["kernel"]), full_matrices=False)
    adapter = {
        "adapter_in": left[:, -rank:],
        "adapter_scale": values[-rank:],
        "adapter_out": right[-rank:],
    }
    return {**layer, "kernel": layer["kernel"] - _product(adapter), **adapter}


def merged(params: Tree) -> Tree:
    """Returns the parameters without adapters: their products are in the kernels."""
    return dict(_merged(params))


def _merged(params: Tree) -> Iterator[tuple[str, Any]]:
    product = _product(params) if _ADAPTER[0] in params else None
    for name, value in params.items():
        if isinstance(value, dict):
            yield name, merged(value)
        elif product is None:
            yield name, value
        elif name not in _ADAPTER:
            yield name, value + product if name == "kernel" else value


def _product(adapter: Tree) -> jax.Array:
    """Returns adapter_in * adapter_scale @ adapter_out, f32 [in, out]."""
    scaled = jnp.asarray(adapter["adapter_in"]) * adapter["adapter_scale"]
    return jnp.matmul(scaled, adapter["adapter_out"], precision=Precision.HIGHEST)
