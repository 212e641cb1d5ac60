"""Low-rank matrices beside the kernels of a vision tower: LoRA's, and the last of an SVD.

A layer with an adapter has, beside kernel [in, out] and bias, `adapter_in` [in, r], `adapter_scale`
[r] and `adapter_out` [r, out]; it computes with the kernel + adapter_in * adapter_scale @
adapter_out. LoRA's of queries, keys and values share the first two, which lie in their attention:
DDA's tower, like Meta's, computes the three by one layer.
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
_NARROW = ("adapter_in", "adapter_scale")
_ADAPTER = (*_NARROW, "adapter_out")
TRAINED = {"lora": ("adapter_in", "adapter_out"), "svd": _ADAPTER}
# Where nothing is asked for: DDA's rank, and Effort's.
_RANKS = {"lora": 8, "svd": 1}


class AdaptedDense(nn.Dense):
    """Transforms by a dense layer, and by its adapter where the parameters have one."""

    def __call__(self, x: jax.Array, narrow: jax.Array | None = None) -> jax.Array:
        """Returns [..., out] of [..., in], in the dtype of the layer.

        Args:
          x: what is transformed.
          narrow: the same through the first matrix of an adapter that is shared, [..., r]; None
            where the adapter, if there is one, is the layer's own.
        """
        y: jax.Array = super().__call__(x)
        narrow = narrowed(self, x) if narrow is None else narrow
        if narrow is None:
            return y
        outwards: jax.Array = self.get_variable("params", "adapter_out")
        return y + narrow @ outwards


def narrowed(module: nn.Module, x: jax.Array) -> jax.Array | None:
    """Returns [..., r] of [..., in] by the first matrix of a module's adapter; None without one."""
    if not module.has_variable("params", _NARROW[0]):
        return None
    inwards, scale = (module.get_variable("params", name).astype(x.dtype) for name in _NARROW)
    narrow: jax.Array = (x @ inwards) * scale
    return narrow


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
    dense layer of the tower's blocks, as DDA does, that of queries, keys and values being one:
    `adapter_in` evenly within 1 / sqrt(in) and
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
    rank = _rank(model)
    if model.tune == "svd":
        layers = {name: _last_of_svd(layer, rank) for name, layer in block["attn"].items()}
        return {**block, "attn": layers}
    rngs = iter(jax.random.split(rng, 2 + len(block["mlp"])))
    attn, mlp = ({**block[part]} for part in ("attn", "mlp"))
    attn |= _narrow(attn["q"], rank, model.tune_alpha, next(rngs))
    for name in "qkv":
        attn[name] = {**attn[name], "adapter_out": _nothing(attn[name], rank)}
    for layers, name in ((attn, "proj"), *((mlp, name) for name in sorted(mlp))):
        layer = layers[name]
        narrow = _narrow(layer, rank, model.tune_alpha, next(rngs))
        layers[name] = {**layer, **narrow, "adapter_out": _nothing(layer, rank)}
    return {**block, "attn": attn, "mlp": mlp}


def _narrow(layer: Tree, rank: int, alpha: float, rng: jax.Array) -> Tree:
    """Returns LoRA's first matrix, and the scale, alpha / rank, which is no parameter."""
    inputs, _ = layer["kernel"].shape
    bound = 1 / math.sqrt(inputs)
    return {
        "adapter_in": jax.random.uniform(rng, (inputs, rank), minval=-bound, maxval=bound),
        "adapter_scale": jnp.full((rank,), alpha / rank),
    }


def _nothing(layer: Tree, rank: int) -> jax.Array:
    return jnp.zeros((rank, layer["kernel"].shape[1]))


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
    return dict(_merged(params, {}))


def _merged(params: Tree, shared: Tree) -> Iterator[tuple[str, Any]]:
    """Yields the parameters of a module, whose layers may share the first part of an adapter."""
    product = _product({**shared, **params}) if "adapter_out" in params else None
    below = {name: params[name] for name in _NARROW if name in params}
    for name, value in params.items():
        if isinstance(value, dict):
            yield name, dict(_merged(value, below))
        elif name not in _ADAPTER:
            yield name, value if product is None or name != "kernel" else value + product


def _product(adapter: Tree) -> jax.Array:
    """Returns adapter_in * adapter_scale @ adapter_out, f32 [in, out]."""
    scaled = jnp.asarray(adapter["adapter_in"]) * adapter["adapter_scale"]
    return jnp.matmul(scaled, adapter["adapter_out"], precision=Precision.HIGHEST)
