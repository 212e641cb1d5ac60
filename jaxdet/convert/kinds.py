"""Derives what follows from a vision tower's kind, where neither file nor user states it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jaxdet.errors import UserError

# Community Forensics' shorter sides, by the side of the crop.
_RESIZED: Mapping[int, int] = MappingProxyType({384: 440, 224: 256})
# timm's names of what it does behind the last normalisation.
_POOLS: Mapping[str, str] = MappingProxyType({"token": "class", "avg": "mean"})


def family(tower: Mapping[str, Any], spelling: str, outputs: int) -> dict[str, Any]:
    """Returns what follows from the kind of a tower; None for what does not.

    Args:
      tower: its switches and sizes.
      spelling: whose names its file has.
      outputs: of the last layer of a linear probe in that file; 0 where there is none.
    """
    known = {"activation": "gelu", "epsilon": 1e-6, "normalisation": "imagenet", "size": 224}
    if _is_forensics(tower, spelling, outputs):
        return {**known, "resize": "bilinear"}
    if tower["pre_norm"]:
        return {**known, "activation": None, "epsilon": 1e-5, "normalisation": "clip"}
    if tower["pool"] == "attention":
        return {**known, "activation": "gelu_tanh", "normalisation": "half"}
    if tower["positions"] == "rotary":
        known["epsilon"] = 1e-5
    if tower["gated"]:
        known["activation"] = "silu"
    # A plain one was trained by many, each in his own way.
    return known if tower["layer_scale"] else {**known, "normalisation": None}


def _is_forensics(tower: Mapping[str, Any], spelling: str, outputs: int) -> bool:
    """Returns whether a file has the form of Community Forensics', ViT-S/16 with one logit.

    Of other sizes only those count that no published ViT has: all have 12 blocks or more.
    """
    if spelling != "community_forensics" or outputs != 1:
        return False
    size = (tower["patch"], tower["width"], tower["depth"], tower.get("size"))
    return tower["depth"] < 12 or size in ((16, 384, 12, 224), (16, 384, 12, 384))


def shorter_side(tower: Mapping[str, Any], spelling: str) -> int:
    """Returns to which shorter side the images of a detector are resized before they are cropped.

    0 for none. Of Community Forensics' alone, whose test resizes before it crops.

    Args:
      tower: of a linear probe with one output: its fields.
      spelling: whose names its file has.
    """
    is_own = _is_forensics(tower, spelling, outputs=1)
    return _RESIZED.get(tower["size"], 0) if is_own else 0


def pooling(
    structure: Mapping[str, Any], outputs: int, beside: Mapping[str, Any], *, by_timm: bool
) -> str:
    """Returns how tokens are pooled: as a card says, or for a head of timm's as timm does.

    A tower by itself gives its class token. A file whose `fc_norm` normalises the mean instead of
    the tokens has no place for it.

    Args:
      structure: the switches of the tower.
      outputs: of the last layer of a linear probe in its file; 0 where there is none.
      beside: what files beside it say.
      by_timm: whether timm wrote that file.

    Raises:
      UserError: where timm pools in a way that no tower here does.
    """
    own = str(structure["pool"])
    if own == "attention":
        return own
    if "pool" in beside or not by_timm or not outputs:
        return str(beside.get("pool", own))
    # timm 1.0.31: models/eva.py, whose DINOv3 keeps the default; models/vision_transformer.py.
    usual = "avg" if structure["positions"] == "rotary" else "token"
    asked = str(beside.get("global_pool", usual))
    if asked not in _POOLS:
        raise UserError(f"its config.json has global_pool={asked}, not {' or '.join(_POOLS)}")
    return _POOLS[asked]
