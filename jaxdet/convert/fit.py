"""Brings a vision tower into the form that a run or a head asks for, where nothing speaks against.

One tower lies in files of several forms: with the projection that a run does without, without
biases that are zero, with a token that nothing reads.
"""

import dataclasses
from collections.abc import Collection
from typing import Any

import numpy as np

from jaxdet.config.model import PROBES, Model
from jaxdet.convert.layers import VIT
from jaxdet.convert.rules import Arrays
from jaxdet.models.towers import BIASED, Tower, read_tower

_MASK, _PROJECTION = f"{VIT}mask_token", f"{VIT}projection/"
_KERNELS, _BIASES = (
    tuple(f"/attn/{name}/{array}" for name in "qkv") for array in ("kernel", "bias")
)


def fitted(
    model: Model, arrays: Arrays, wanted: Tower, *, bare: bool
) -> tuple[Model, Arrays, tuple[str, ...]]:
    """Returns a detector in the form of the tower that is asked for, as far as it can have it.

    Changed is what no feature follows from: the token of pre-training, biases that are zero, the
    kernel by which images were resized. Of a tower by itself also the size, where its positions are
    of any, and the projection, which is left out where it is not asked for.

    Args:
      model: the network.
      arrays: its arrays by place.
      wanted: the tower.
      bare: whether it is a tower by itself, under no head.

    Returns:
      The network, its arrays, and sentences on what was changed.
    """
    if model.name not in PROBES:
        return model, arrays, ()
    tower, notes = read_tower(model.tower), []
    if bare and tower.projection and not wanted.projection:
        model, arrays, note = unprojected(model, arrays)
        notes.append(note)
        tower = read_tower(model.tower)
    taken: dict[str, Any] = {"mask_token": wanted.mask_token, "resize": wanted.resize}
    if bare and tower.positions == wanted.positions == "rotary":
        taken["size"] = wanted.size
    biased = BIASED[wanted.qkv_bias]
    surplus = [place for place in arrays if place.endswith(_BIASES) and _which(place) not in biased]
    if not any(np.any(arrays[place]) for place in surplus):
        taken["qkv_bias"] = wanted.qkv_bias
        arrays = _with_biases(_without(arrays, *surplus), biased)
    arrays = _with_mask(arrays, tower.width) if wanted.mask_token else _without(arrays, _MASK)
    changed = [f"{k}={_shown(v)}" for k, v in taken.items() if v != getattr(tower, k)]
    if changed:
        notes.append(f"taken as model.tower has it, with the same features: {', '.join(changed)}")
    tower = dataclasses.replace(tower, **taken)
    return dataclasses.replace(model, tower=tower.text), arrays, tuple(notes)


def unprojected(model: Model, arrays: Arrays) -> tuple[Model, Arrays, str]:
    """Returns a detector whose tower gives what was projected, and a sentence that says so."""
    tower = read_tower(model.tower)
    plain = dataclasses.replace(tower, projection=0, projection_bias=False)
    note = f"its projection to {tower.projection} features is left out: {tower.width} are taken"
    kept = _without(arrays, _PROJECTION)
    return dataclasses.replace(model, tower=plain.text), kept, note


def _without(arrays: Arrays, *starts: str) -> Arrays:
    return {place: value for place, value in arrays.items() if not place.startswith(starts)}


def _with_mask(arrays: Arrays, width: int) -> Arrays:
    return {_MASK: np.zeros((1, width), np.float32), **arrays}


def _which(place: str) -> str:
    """Returns the layer of an attention that an array is of: "q", "k" or "v"."""
    return place.split("/")[-2]


def _with_biases(arrays: Arrays, biased: Collection[str]) -> Arrays:
    """Returns the arrays with a bias for each of these, zero where there was none."""
    kernels = [p for p in arrays if p.endswith(_KERNELS) and _which(p) in biased]
    zeros = {
        f"{place.removesuffix('kernel')}bias": np.zeros(arrays[place].shape[-1], np.float32)
        for place in kernels
    }
    return {**zeros, **arrays}


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
