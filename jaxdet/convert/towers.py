"""Finds out which vision tower a file holds: by its names, its shapes, and what is known beside."""

import dataclasses
import math
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import jax
import numpy as np

from jaxdet.config.model import PROBES, Model
from jaxdet.convert.kinds import family, pooling
from jaxdet.convert.layers import VIT
from jaxdet.convert.rules import Arrays, Shapes, Table, hollow
from jaxdet.convert.spellings import HEADS, PROBE_TABLES, SPELLINGS
from jaxdet.errors import UserError
from jaxdet.models.towers import NORMALISATIONS, Tower, heads_of, read_tower

# What a file of weights cannot say of its tower, but a file beside it can, or whoever reads it.
Facts = Mapping[str, Any]
FACTS = ("activation", "heads", "normalisation", "epsilon", "resize", "size", "pool")
_POSITIONS = f"{VIT}pos_embed"
_ASKED = (
    "does not say its activation; give --activation=quick_gelu (CLIP of OpenAI, most of MetaCLIP "
    "and DFN) or gelu (of LAION-2B, DataComp and CommonPool), or its config.json beside it"
)
_NUMBER = re.compile(rf"{VIT}blocks_([0-9]+)/.*")


def facts_of(model: Model) -> dict[str, Any]:
    """Returns what is known of a detector's tower besides its shapes."""
    tower = read_tower(model.tower)
    return {name: getattr(tower, name) for name in FACTS}


def check_facts(model: Model, told: Facts, *, source: str) -> None:
    """Refuses what somebody told of a tower where the weights are of another.

    Raises:
      UserError: where there is no tower, or it has another activation, heads or normalisation.
    """
    for name in FACTS[:3]:
        value = told.get(name)
        if value is None:
            continue
        if model.name not in PROBES:
            raise UserError(f"--{name}={value}: {source} has no tower; leave it out")
        own = read_tower(model.tower)
        if name == "normalisation":
            # Six numbers may be written in several ways.
            value = dataclasses.replace(own, normalisation=value).normalisation
        if str(value) != str(getattr(own, name)):
            has = f"its tower has {getattr(own, name)}"
            raise UserError(f"--{name}={told[name]}: {source} {has}; leave it out")


def spelling_of(model: Model, places: Collection[str], spelling: str) -> str:
    """Returns in whose names a probe's arrays are written: those given, or the first that do.

    Raises:
      UserError: where no publisher's files have names for all of them.
    """
    for name in [spelling] if spelling in PROBE_TABLES else PROBE_TABLES:
        if all(map(PROBE_TABLES[name].covers, places)):
            return name
    raise UserError(f"{model.title}: no publisher's files have names for all of its arrays")


def sketch(arch: str, table: Table, keys: Iterable[str]) -> Model | None:
    """Returns a small network with the places that keys fill; None where there is no such.

    Keys without a place are passed over.
    """
    places = {place for key in keys for place in table.places(key)}
    try:
        small = Tower(**_structure(places), size=2, patch=1, width=4, heads=1, mlp=4)
        head = _head(arch, dict.fromkeys(places, (1, 4)))
    except UserError:
        return None
    return Model(name=arch, tower=small.text, **head)


def fits_shapes(table: Table, arrays: Mapping[str, np.ndarray], classes: int | None) -> bool:
    """Returns whether arrays have the shapes of a spelling that shares its names with another.

    The second layer of an MLP reads what the first gives: a gated one of timm's has the names of a
    plain one, and a first layer of twice the height. A projection has more than one row, and those
    of released CLIPs, which timm counts as classes, are multiples of 64; else it is a head.
    """
    block = f"{VIT}blocks_0/mlp/"
    shapes = {place: a.shape for key, a in arrays.items() for place in table.places(key)}
    first, second = (shapes.get(f"{block}{name}/kernel", ()) for name in ("fc1", "fc2"))
    parts = table.rule_of_place(f"{block}fc1/kernel").part[1]
    if not (len(first) == len(second) == 2 and first[0] == parts * second[1]):
        return False
    rows = (*shapes.get(f"{VIT}projection/kernel", ()), 0)[0]
    return rows != 1 and (rows != classes or rows % 64 == 0)


def measure(
    arch: str,
    spelling: str,
    arrays: Mapping[str, np.ndarray],
    *,
    beside: Facts,
    told: Facts,
    source: str,
) -> Model:
    """Returns the network of a file whose keys fit a spelling.

    Args:
      arch: the detector.
      spelling: whose names the keys are.
      arrays: by key.
      beside: what files beside it say of the tower.
      told: what somebody told, which counts for all but a known activation.
      source: what errors call the file.

    Raises:
      UserError: where a shape is none of a tower's, or a fact is missing.
    """
    told = {name: value for name, value in told.items() if value is not None}
    shapes = _shapes(PROBE_TABLES[spelling], arrays, source=source)
    structure, by_timm = _structure(shapes), SPELLINGS[spelling].by_timm
    outputs = (0, *shapes.get("params/head/kernel", ()))[-1]
    try:
        sizes = _sizes(shapes, structure, by_timm=by_timm)
        known = family({**structure, **sizes}, spelling, outputs)
        facts = {name: beside[name] for name in FACTS if name in beside}
        tower = {**known, **facts, **told, **structure, **sizes}
        tower["pool"] = pooling(structure, outputs, beside, by_timm=by_timm)
        # Whatever its config.json says, a gated tower has SiLU.
        published = {} if structure["gated"] else beside
        tower["activation"] = next(
            (one["activation"] for one in (published, known, told) if one.get("activation")), None
        )
        if not tower["activation"]:
            raise UserError(_ASKED)
        if tower["normalisation"] is None:
            raise UserError(
                "does not say how pixels are normalised; lay its config.json beside it, or convert "
                "it by `python -m jaxdet.convert to-jax --normalisation="
                f"{'|'.join(NORMALISATIONS)}`"
            )
        shape = (tower["patch"], tower["width"], tower["depth"])
        tower.setdefault("heads", heads_of(*shape, scaled=structure["layer_scale"]))
        if not tower["heads"]:
            raise UserError(
                f"does not say how many heads share {shape[1]} channels; convert it by `python -m "
                "jaxdet.convert to-jax --heads=N`"
            )
        return Model(name=arch, tower=Tower(**tower).text, **_head(arch, shapes))
    except UserError as error:
        raise UserError(f"{source}: {error}") from None


def _structure(places: Collection[str]) -> dict[str, Any]:
    """Returns the switches of the tower that has these places.

    Raises:
      UserError: where its blocks are not numbered from 0 on.
    """
    numbers = {match[1] for match in map(_NUMBER.fullmatch, places) if match}
    depth = len(numbers)
    if not depth or numbers != set(map(str, range(depth))):
        raise UserError("its blocks are not numbered 0, 1, 2 and so on")

    def has(name: str) -> bool:
        return VIT + name in places

    scaled, registers, projected = (
        has(name) for name in ("blocks_0/ls1", "reg_token", "projection/kernel")
    )
    keys, queries = has("blocks_0/attn/k/bias"), has("blocks_0/attn/q/bias")
    return {
        "depth": depth,
        "gated": has("blocks_0/mlp/gate/kernel"),
        # DINOv3 alone has no table, and it has these two.
        "positions": "rotary" if scaled and registers and not has("pos_embed") else "all",
        "class_token": has("cls_token"),
        "registers": int(registers),
        "mask_token": has("mask_token"),
        "patch_bias": has("patch_embed/bias"),
        "qkv_bias": "all" if keys else "no_key" if queries else "none",
        "pre_norm": has("norm_pre/scale") or has("norm_pre/bias") or projected,
        "layer_scale": scaled,
        "pool": "attention" if has("attn_pool/probe") else "class",
        "projection": int(projected),
        "projection_bias": has("projection/bias"),
    }


def _shapes(table: Table, arrays: Mapping[str, np.ndarray], *, source: str) -> Shapes:
    """Returns our shapes by place of the arrays of a file, as far as they have a place."""
    shapes = {}
    for key, value in arrays.items():
        for place in table.places(key):
            rule = table.rule_of_place(place)
            try:
                shape = rule.layout.to_jax(hollow(value.shape)).shape
            except (ValueError, IndexError):
                raise UserError(
                    f"{source}: {key} has shape {value.shape}, none of a tower"
                ) from None
            shapes[place] = (*shape[:-1], shape[-1] // rule.part[1]) if shape else shape
    return shapes


def _sizes(shapes: Shapes, structure: Mapping[str, Any], *, by_timm: bool) -> dict[str, Any]:
    """Returns the sizes of the tower whose places have these shapes."""

    def axis(name: str, which: int, axes: int) -> int:
        shape = shapes.get(VIT + name, ())
        if len(shape) != axes:
            raise UserError(f"{name} has {len(shape)} axes of {axes}, so it is no tower")
        return shape[which]

    patch = axis("patch_embed/kernel", 0, 4)
    sizes = {
        "patch": patch,
        "width": axis("patch_embed/kernel", 3, 4),
        "mlp": axis("blocks_0/mlp/fc1/kernel", 1, 2),
    }
    if structure["registers"]:
        sizes["registers"] = axis("reg_token", 0, 2)
    if structure["projection"]:
        sizes["projection"] = axis("projection/kernel", 1, 2)
    if structure["positions"] == "rotary":
        return sizes
    count = axis("pos_embed", 0, 2)
    tables = [("all", count - 1)] if structure["class_token"] else [("patches", count)]
    if structure["registers"] and by_timm:
        tables.append(("patches", count))
    for positions, patches in tables:
        side = math.isqrt(max(patches, 0))
        if side * side == patches > 0:
            return {**sizes, "positions": positions, "size": side * patch}
    raise UserError(f"{count} positions are of no square of patches")


def head_options(arch: str, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Returns the options of the network that follow from the arrays of its head, by key."""
    shapes = {place: a.shape for key, a in arrays.items() for place in HEADS[arch].places(key)}
    return _head(arch, shapes)


def _head(arch: str, shapes: Shapes) -> dict[str, Any]:
    if arch != "rine":
        return {}
    layers = sum(p.startswith("params/proj1_") and p.endswith("kernel") for p in shapes)
    width = (shapes.get("params/alpha") or (0,))[-1]
    if not 1 <= layers <= 16 or not 1 <= width <= 1024:
        raise UserError(f"{layers} projections of {width} channels are no head of rine")
    return {"width": width, "projection_layers": layers}


def resized(model: Model, arrays: Arrays, size: int) -> tuple[Model, Arrays, str]:
    """Returns a detector for images of another size, the positions of its tower interpolated.

    Bicubic with antialiasing, as timm does (layers/pos_embed.py, resample_abs_pos_embed).

    Returns:
      The network, its arrays by place, and a sentence that says so.

    Raises:
      UserError: where there is no tower, or its patch does not divide the size.
    """
    if model.name not in PROBES:
        raise UserError(f"--size={size}: {model.name} has no tower, whose size this is")
    tower = read_tower(model.tower)
    larger = dataclasses.replace(tower, size=size)
    model = dataclasses.replace(model, tower=larger.text)
    if tower.positions == "rotary" or size == tower.size:
        return model, arrays, ""
    first = tower.class_token if tower.positions == "all" else 0
    old, new = tower.size // tower.patch, size // tower.patch
    table = arrays[_POSITIONS]
    grid = table[first:].reshape(old, old, -1)
    grid = jax.image.resize(grid, (new, new, grid.shape[-1]), "cubic", antialias=True)
    placed = np.concatenate([table[:first], np.asarray(grid).reshape(new * new, -1)])
    said = f"positions interpolated from {old} x {old} to {new} x {new} patches, bicubic"
    return model, {**arrays, _POSITIONS: placed}, said
