"""Takes low-rank matrices that a checkpoint keeps beside the kernels of its layers into these.

DDA's (Dual-Data-Alignment 21f1e39) has LoRA's two beside `original_layer`, Effort's the singular
triplets that were trained beside `weight_main`, which is without them.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxdet.convert.state_dicts import Choice, Choose, shorten
from jaxdet.errors import UserError

_KEY = re.compile(
    r"(?P<layer>.+)\.(?:original_layer\.(?P<own>weight|bias)|lora\.lora_[AB]|weight_main"
    r"|[USV]_residual|[USV]_r)"
)
_LORA = ("lora.lora_B", "lora.lora_A")
_RESIDUAL = ("U_residual", "S_residual", "V_residual")


def with_low_rank(choose: Choose) -> Choose:
    """Returns a choice among state dicts, made as if matrices of low rank were in the kernels."""

    def chosen(found: Mapping[str, Mapping[str, Any]]) -> Choice:
        # A dictionary may have several names, and stays one.
        plain = {id(held): _plain(held) for held in found.values()}
        choice = choose({name: plain[id(held)] for name, held in found.items()})
        held = found[choice.held]
        entries = {key: held[key] for key in held if _plain_key(key) in choice.entries}
        return dataclasses.replace(choice, entries=entries)

    return chosen


def with_kernels(
    arrays: Mapping[str, np.ndarray], *, source: str
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Returns arrays by key with such matrices in the kernels, and a sentence that says so.

    LoRA's product counts 1 / rank, as DDA's does; no file says it.

    Raises:
      UserError: where one is missing, or they do not fit each other.
    """
    layers = {match["layer"] for key in arrays if (match := _KEY.fullmatch(key))}
    if not layers:
        return dict(arrays), ()
    # Whole layers, and the biases of the others.
    found = {
        _plain_key(key): value
        for key, value in arrays.items()
        if _KEY.fullmatch(key) is None or key.endswith(".original_layer.bias")
    }
    for layer in layers:
        try:
            found[f"{layer}.weight"] = _kernel(arrays, layer)
        except KeyError as error:
            raise UserError(f"{source}: lacks {shorten(str(error.args[0]))}") from None
        except ValueError as error:
            raise UserError(f"{source}: {shorten(layer)}: {error}") from None
    said = f"low-rank matrices of {len(layers)} layers are taken into their kernels"
    is_lora = any(key.endswith(_LORA) for key in arrays)
    return found, (f"{said}{', LoRA at 1 / rank as in DDA' if is_lora else ''}",)


def _kernel(arrays: Mapping[str, np.ndarray], layer: str) -> np.ndarray:
    """Returns the kernel of a layer, f32 [out, in]."""
    if f"{layer}.weight_main" in arrays:
        base = arrays[f"{layer}.weight_main"]
        left, values, right = (_wide(arrays[f"{layer}.{name}"]) for name in _RESIDUAL)
        product = (left * values) @ right
    else:
        base = arrays[f"{layer}.original_layer.weight"]
        outwards, inwards = (_wide(arrays[f"{layer}.{name}"]) for name in _LORA)
        product = outwards @ inwards / len(inwards)
    if product.shape != base.shape:
        raise ValueError(f"a kernel {base.shape} and a product {product.shape}")
    return (_wide(base) + product).astype(np.float32)


def _wide(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, np.float64)


def _plain(held: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a dictionary under the keys that it has once kernels are whole; itself if it has."""
    plain = {_plain_key(key): value for key, value in held.items()}
    return held if plain.keys() == held.keys() else plain


def _plain_key(key: str) -> str:
    match = _KEY.fullmatch(key)
    return key if match is None else f"{match['layer']}.{match['own'] or 'weight'}"
