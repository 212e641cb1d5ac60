"""Reads what publishers say of a vision tower in files beside its weights.

`config.json` and `preprocessor_config.json` of transformers, `config.json` of timm's hub,
`open_clip_config.json` of open_clip's; and the card that `to-torch` writes.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jaxdet.config.model import PROBES
from jaxdet.convert.card import network_name, read_beside, read_model
from jaxdet.convert.towers import Facts, facts_of
from jaxdet.errors import UserError
from jaxdet.models.vit import ROTARY_BASE
from jaxdet.ranges import show_value
from jaxdet.workdir.files import read_json

_ACTIVATIONS = MappingProxyType(
    {
        "gelu": "gelu",
        "quick_gelu": "quick_gelu",
        "gelu_pytorch_tanh": "gelu_tanh",
        "gelu_new": "gelu_tanh",
        "silu": "silu",
    }
)
# transformers leaves out of config.json what its classes begin with.
_DEFAULTS: Mapping[str, str] = MappingProxyType(
    {"clip": "quick_gelu", "clip_vision_model": "quick_gelu"}
)
_KINDS = (*_DEFAULTS, "metaclip_2", "dinov2", "dinov2_with_registers", "dinov3_vit", "siglip",
          "siglip_vision_model")  # fmt: skip
# PIL's numbers of its kernels.
_KERNELS = MappingProxyType({0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"})
# By timm's tags of weights, after the notes in timm 1.0.31 (vision_transformer.py) and open_clip
# 3.3 (pretrained.py); timm builds GELU for all but architectures with "quickgelu" in their names.
_TAGS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("openai", "metaclip_400m", "metaclip_2pt5b", "dfn2b", "dfn5b"), "quick_gelu")
    | dict.fromkeys(("laion2b", "datacompxl", "dfn2b_s39b", "metaclip_altogether"), "gelu")
)


def read_facts(path: Path) -> dict[str, Any]:
    """Returns what the files beside weights say of the tower in them.

    Raises:
      UserError: where one of them is damaged.
    """
    card = read_beside(path)
    if card is not None and network_name(card) in PROBES:
        return facts_of(read_model(card))
    beside: dict[str, Any] = {}
    for name, read in _READERS.items():
        place = path.with_name(name)
        content = _read(place)
        try:
            beside |= {k: v for k, v in read(content).items() if v is not None}
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            raise UserError(f"{place}: does not describe a tower: {error}") from None
    return beside


def _read(place: Path) -> dict[str, Any]:
    """Returns the content of a JSON file; nothing where there is none, or somebody else's."""
    try:
        content = read_json(place)
    except UserError:
        return {}
    return content if isinstance(content, dict) else {}


def _config(config: dict[str, Any]) -> Facts:
    if "architecture" in config or "pretrained_cfg" in config:
        return _timm(config)
    if {"model_size", "input_size", "patch_size"} <= config.keys():
        # Community Forensics' (models.py): ImageNet's numbers, torchvision's Resize.
        return {"normalisation": "imagenet", "resize": "bilinear"}
    vision = config.get("vision_config") or config
    kind = config.get("model_type")
    if kind not in _KINDS:
        return {}
    if kind == "dinov3_vit":
        rotation = config.get("rope_parameters") or {}
        _check_rotation(rotation.get("rope_theta", config.get("rope_theta")))
    return {
        "activation": _named(_ACTIVATIONS, vision.get("hidden_act", _DEFAULTS.get(kind))),
        "heads": _number(int, vision.get("num_attention_heads")),
        "epsilon": _number(float, vision.get("layer_norm_eps")),
        "size": _number(int, vision.get("image_size")),
    }


def _preprocessor(config: dict[str, Any]) -> Facts:
    return {
        "normalisation": _normalisation(config.get("image_mean"), config.get("image_std")),
        "resize": _named(_KERNELS, config.get("resample")),
    }


def _timm(config: dict[str, Any]) -> Facts:
    known = config.get("pretrained_cfg") or config
    is_quick = "quickgelu" in str(config.get("architecture"))
    size = known.get("input_size")
    _check_rotation((config.get("model_args") or {}).get("rope_temperature"))
    return {
        "activation": "quick_gelu" if is_quick else _TAGS.get(str(known.get("tag"))),
        "normalisation": _normalisation(known.get("mean"), known.get("std")),
        "resize": known.get("interpolation"),
        "size": _number(int, size[-1]) if size else None,
        "classes": _number(int, config.get("num_classes", known.get("num_classes"))),
        "global_pool": config.get("global_pool"),
    }


def _open_clip(config: dict[str, Any]) -> Facts:
    if "model_cfg" not in config:
        return {}
    model, pixels = config["model_cfg"], config.get("preprocess_cfg", {})
    vision = model["vision_cfg"]
    width, head = vision.get("width", 768), vision.get("head_width", 64)
    return {
        "activation": "quick_gelu" if model.get("quick_gelu") else "gelu",
        "heads": _number(int, width) // _number(int, head),
        "normalisation": _normalisation(pixels.get("mean"), pixels.get("std")),
        "resize": pixels.get("interpolation"),
    }


_READERS = MappingProxyType(
    {
        "config.json": _config,
        "preprocessor_config.json": _preprocessor,
        "open_clip_config.json": _open_clip,
    }
)


def _check_rotation(base: Any) -> None:
    if base not in (None, ROTARY_BASE):
        raise ValueError(
            f"its rotary positions have the base {show_value(base)}, and no tower of jaxdet has "
            f"another than {ROTARY_BASE:g}"
        )


def _named(names: Mapping[Any, str], value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str | int) or value not in names:
        raise ValueError(f"{show_value(value)} is none of {', '.join(map(str, names))}")
    return names[value]


def _number(kind: Any, value: Any) -> Any:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | kind)):
        raise ValueError(f"{show_value(value)} is no number")
    return value


def _normalisation(mean: Any, deviation: Any) -> str | None:
    """Returns mean and deviation as `model.tower` takes them."""
    if mean is None or deviation is None:
        return None
    return "/".join(str(float(number)) for number in (*mean, *deviation))
