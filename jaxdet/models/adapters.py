"""Trains low-rank matrices beside the kernels of a vision tower: LoRA's, and the last of an SVD.

A layer with an adapter has, beside kernel [in, out] and bias, `adapter_in` [in, r], `adapter_scale`
[r] and `adapter_out` [r, out]; it computes with the kernel + adapter_in * adapter_scale @
adapter_out. LoRA's of queries, keys and values, one layer in DDA's tower, share the first two.
"""

import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.lax import Precision

from jaxdet.config.model import Model
from jaxdet.errors import UserError

Tree = dict[str, Any]

# What a layer has of an adapter, and what of it is trained.
NARROW = ("adapter_in", "adapter_scale")
_ADAPTER = (*NARROW, "adapter_out")
TRAINED = {"lora": ("adapter_in", "adapter_out"), "svd": _ADAPTER}
# Where nothing is asked for: DDA's rank, and Effort's.
_RANKS = {"lora": 8, "svd": 1}


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

    With them it is the same function up to rounding. `model.tune=lora` puts one on every dense
    layer of the tower's blocks, as DDA does: `adapter_in` evenly within 1 / sqrt(in), `adapter_out`
    of zeros (Hu et al., ICLR 2022). `svd` takes the last singular triplets of each layer of the
    blocks' attention out of its kernel (Yan et al., ICML 2025).

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
    rank = _rank(model)
    if model.tune == "svd":
        layers = {name: _last_of_svd(layer, rank) for name, layer in block["attn"].items()}
        return {**block, "attn": layers}
    rngs = iter(jax.random.split(rng, 2 + len(block["mlp"])))
    attn, mlp = ({**block[part]} for part in ("attn", "mlp"))
    attn |= _narrow(attn["q"], rank, model.tune_alpha, next(rngs))
    for name in "qkv":
        attn[name] = _widened(attn[name], rank)
    for layers, name in ((attn, "proj"), *((mlp, name) for name in sorted(mlp))):
        narrow = _narrow(layers[name], rank, model.tune_alpha, next(rngs))
        layers[name] = _widened(layers[name], rank) | narrow
    return {**block, "attn": attn, "mlp": mlp}


def _narrow(layer: Tree, rank: int, alpha: float, rng: jax.Array) -> Tree:
    """Returns LoRA's first matrix, and the scale, alpha / rank, which is no parameter."""
    inputs, _ = layer["kernel"].shape
    bound = 1 / math.sqrt(inputs)
    return {
        "adapter_in": jax.random.uniform(rng, (inputs, rank), minval=-bound, maxval=bound),
        "adapter_scale": jnp.full((rank,), alpha / rank),
    }


def _widened(layer: Tree, rank: int) -> Tree:
    return {**layer, "adapter_out": jnp.zeros((rank, layer["kernel"].shape[1]))}


def _last_of_svd(layer: Tree, rank: int) -> Tree:
    """Returns a layer whose kernel has lost its last singular triplets to an adapter."""
    left, values, right = jnp.linalg.svd(jnp.asarray(layer["kernel"]), full_matrices=False)
    adapter = dict(zip(_ADAPTER, (left[:, -rank:], values[-rank:], right[-rank:]), strict=True))
    return {**layer, "kernel": layer["kernel"] - _product(adapter), **adapter}


def merged(params: Tree) -> Tree:
    """Returns the parameters without adapters: their products are in the kernels."""
    return dict(_merged(params, {}))


def _merged(params: Tree, shared: Tree) -> Iterator[tuple[str, Any]]:
    """Yields the parameters of a module, whose layers may share the first part of an adapter."""
    product = _product({**shared, **params}) if "adapter_out" in params else None
    below = {name: params[name] for name in NARROW if name in params}
    for name, value in params.items():
        if isinstance(value, dict):
            yield name, dict(_merged(value, below))
        elif name not in _ADAPTER:
            yield name, value if product is None or name != "kernel" else value + product


def _product(adapter: Tree) -> jax.Array:
    """Returns adapter_in * adapter_scale @ adapter_out, f32 [in, out]."""
    scaled = jnp.asarray(adapter["adapter_in"]) * adapter["adapter_scale"]
    return jnp.matmul(scaled, adapter["adapter_out"], precision=Precision.HIGHEST)
