"""Describes vision transformers: what differs between those of the field, and the named sizes.

Facts are those of the released configurations in transformers 5.24, open_clip 3.3 and timm 1.0.31.
"""

import dataclasses
import difflib
import typing
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jaxdet.errors import UserError
from jaxdet.models.imagenet import IMAGENET_MEAN, IMAGENET_STD
from jaxdet.ranges import show_value

# Mean and deviation of the pixels in 0..1, RGB.
NORMALISATIONS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "clip": (0.48145466, 0.4578275, 0.40821073, 0.26862954, 0.26130258, 0.27577711),
        "imagenet": (*IMAGENET_MEAN.tolist(), *IMAGENET_STD.tolist()),
        "half": (0.5,) * 6,
    }
)
# Which of queries, keys and values have biases, by `qkv_bias`.
BIASED: Mapping[str, str] = MappingProxyType({"all": "qkv", "no_key": "qv", "none": ""})
_CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "activation": ("gelu", "quick_gelu", "gelu_tanh", "silu"),
        "positions": ("all", "patches", "rotary"),
        "qkv_bias": tuple(BIASED),
        "pool": ("class", "mean", "attention"),
        "resize": ("nearest", "bilinear", "bicubic", "lanczos"),
    }
)
# Beyond these nothing was released; what a file names is traced, which takes time and memory.
_MOST = MappingProxyType({"depth": 64, "size": 4096, "registers": 64})
_LARGEST = 2**16
_WIDEST_OF_64 = 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tower:
    """Describes a vision transformer, by default one of the form of timm's.

    Attributes:
      size: side of the images, pixels; with rotary positions other multiples of `patch` do as well.
      patch: side of a patch, pixels.
      width: of a token.
      depth: number of blocks.
      heads: of each attention, which share the width.
      mlp: hidden width of a block's two dense layers.
      gated: whether a third layer gates the hidden values (SwiGLU).
      activation: "gelu", "quick_gelu" (x sigmoid(1.702 x)), "gelu_tanh" or "silu".
      positions: "all": a table for class token and patches; "patches": for the patches alone;
        "rotary": DINOv3's rotation of queries and keys.
      class_token: whether there is one; its normalised value is what most towers give.
      registers: tokens between the class token and the patches that have no position.
      mask_token: whether the file has the token of pre-training, which nothing reads.
      patch_bias: whether the patches' layer has a bias.
      qkv_bias: "all", "no_key" or "none": which of queries, keys and values have biases.
      pre_norm: whether tokens are normalised before the first block.
      layer_scale: whether each branch of a block has a factor per channel.
      epsilon: of the normalisations.
      pool: "class" token, "mean" of the patches, or "attention" of a learned query.
      projection: width that the pooled token is projected to; 0 for none.
      projection_bias: whether that layer has a bias.
      normalisation: of pixels, a name of NORMALISATIONS or six numbers, as `.5/.5/.5/.2/.2/.2`.
      resize: kernel by which its publisher resizes images; a record, of which no feature follows.
    """

    size: int = 224
    patch: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp: int = 3072
    gated: bool = False
    activation: str = "gelu"
    positions: str = "all"
    class_token: bool = True
    registers: int = 0
    mask_token: bool = False
    patch_bias: bool = True
    qkv_bias: str = "all"
    pre_norm: bool = False
    layer_scale: bool = False
    epsilon: float = 1e-6
    pool: str = "class"
    projection: int = 0
    projection_bias: bool = False
    normalisation: str = "half"
    resize: str = "bicubic"

    def __post_init__(self) -> None:
        """Raises UserError where such a network cannot be made."""
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise _refused(name, getattr(self, name), f"is not one of {', '.join(choices)}")
        for name, least in _LEAST.items():
            value, most = getattr(self, name), _MOST.get(name, _LARGEST)
            if not least <= value <= most:
                raise _refused(name, value, f"is not in [{least}, {most}]")
        if self.width % self.heads or self.width // self.heads % 4:
            raise _refused("heads", self.heads, f"does not share {self.width} by multiples of 4")
        if self.size % self.patch:
            raise _refused("size", self.size, f"is no multiple of the patch, {self.patch} pixels")
        if self.tokens > _LARGEST:
            raise _refused("size", self.size, f"makes more than {_LARGEST} patches")
        if not 0 < self.epsilon < 1:
            raise _refused("epsilon", self.epsilon, "is not in (0, 1)")
        if self.pool == "class" and not self.class_token:
            raise _refused("pool", self.pool, "needs a class token")
        # Equal numbers are one normalisation, however they were written.
        six = (*self.mean_and_deviation[0], *self.mean_and_deviation[1])
        named = (name for name, known in NORMALISATIONS.items() if known == six)
        object.__setattr__(self, "normalisation", next(named, "/".join(map(str, six))))

    @property
    def function(self) -> "Tower":
        """Returns the tower without what was done to its images, which changes no feature."""
        return dataclasses.replace(self, resize=Tower.resize)

    @property
    def tokens(self) -> int:
        """Returns the number of patches of an image of `size`."""
        return (self.size // self.patch) ** 2

    @property
    def dim(self) -> int:
        """Returns the number of features."""
        return self.projection or self.width

    @property
    def mean_and_deviation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Returns the mean and deviation of pixels in 0..1, each RGB."""
        given = self.normalisation
        try:
            six = NORMALISATIONS.get(given) or tuple(map(float, given.split("/")))
        except ValueError:
            six = ()
        if len(six) != 6 or not all(abs(n) < 100 for n in six) or not all(n > 0 for n in six[3:]):
            known = ", ".join(NORMALISATIONS)
            raise _refused("normalisation", given, f"is neither {known} nor six numbers")
        return six[:3], six[3:]

    @property
    def text(self) -> str:
        """Returns the named size that is nearest, with what differs: `clip_l14:depth=3,heads=2`."""
        own = dataclasses.asdict(self)

        def changes(name: str) -> list[str]:
            named = dataclasses.asdict(TOWERS[name])
            return [f"{k}={_written(v)}" for k, v in own.items() if v != named[k]]

        nearest = min(TOWERS, key=lambda name: len(changes(name)))
        return ":".join(filter(None, (nearest, ",".join(changes(nearest)))))


_LEAST = MappingProxyType(
    {"size": 1, "patch": 1, "width": 4, "depth": 1, "heads": 1, "mlp": 1, "registers": 0,
     "projection": 0}
)  # fmt: skip


def read_tower(text: str) -> Tower:
    """Returns the tower of `NAME` or `NAME:field=value,field=value`.

    Raises:
      UserError: where there is no such name or field, or a value cannot be.
    """
    name, _, changes = text.partition(":")
    if name not in TOWERS:
        nearest = difflib.get_close_matches(name, TOWERS, n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise _refused("", name, f"is not one of {', '.join(TOWERS)}{hint}")
    kinds = typing.get_type_hints(Tower)
    read = {}
    for change in filter(None, changes.split(",")):
        field, _, value = change.partition("=")
        if field not in kinds:
            raise _refused("", field, f"is not one of {', '.join(kinds)}")
        try:
            read[field] = _READERS[kinds[field]](value)
        except (KeyError, ValueError):
            raise _refused(field, value, f"is no {kinds[field].__name__}") from None
    return dataclasses.replace(TOWERS[name], **read)


def heads_of(patch: int, width: int, depth: int, *, scaled: bool = False) -> int:
    """Returns the heads of a tower; 0 where they are not known.

    Those of the named size, or a head for each 64 channels. Wider towers of others than DINO's, all
    of which have LayerScale, have heads of 72, 80, 88 or 96 channels.

    Args:
      patch: pixels.
      width: of a token.
      depth: blocks.
      scaled: whether it has LayerScale.
    """
    for named in TOWERS.values():
        if (named.patch, named.width, named.depth) == (patch, width, depth):
            return named.heads
    is_known = width % 64 == 0 and (scaled or width <= _WIDEST_OF_64)
    return width // 64 if is_known else 0


_TRUTHS = MappingProxyType({"true": True, "false": False})
_READERS: Mapping[Any, Any] = MappingProxyType(
    {int: int, float: float, str: str, bool: _TRUTHS.__getitem__}
)


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def _refused(field: str, value: Any, why: str) -> UserError:
    named = f"{field}={show_value(value)}" if field else show_value(value)
    return UserError(f"model.tower: {named} {why}")


def _vit(patch: int, width: int, depth: int = 12, **others: Any) -> Tower:
    """Returns a tower with heads of 64 and an MLP of four widths, unless others are given."""
    return Tower(
        **{"patch": patch, "width": width, "depth": depth, "heads": width // 64, "mlp": 4 * width,
           **others}
    )  # fmt: skip


def _clip(patch: int, width: int, depth: int, projection: int, **others: Any) -> Tower:
    return _vit(
        patch, width, depth, projection=projection,
        **{"activation": "quick_gelu", "pre_norm": True, "patch_bias": False, "epsilon": 1e-5,
           "normalisation": "clip", **others},
    )  # fmt: skip


def _dino(patch: int, width: int, depth: int = 12, **others: Any) -> Tower:
    return _vit(
        patch, width, depth, layer_scale=True, mask_token=True, normalisation="imagenet",
        **{"size": 518, **others},
    )  # fmt: skip


def _dinov3(width: int, depth: int = 12, **others: Any) -> Tower:
    return _dino(
        16, width, depth,
        **{"size": 224, "positions": "rotary", "registers": 4, "qkv_bias": "no_key",
           "epsilon": 1e-5, **others},
    )  # fmt: skip


def _siglip(patch: int, width: int, depth: int, **others: Any) -> Tower:
    return _vit(
        patch, width, depth, positions="patches", class_token=False, pool="attention",
        activation="gelu_tanh", **others,
    )  # fmt: skip


_SWIGLU = MappingProxyType({"gated": True, "activation": "silu"})
_DINOV2 = MappingProxyType(
    {
        "dinov2_s14": _dino(14, 384),
        "dinov2_b14": _dino(14, 768),
        "dinov2_l14": _dino(14, 1024, 24),
        "dinov2_g14": _dino(14, 1536, 40, mlp=4096, **_SWIGLU),
    }
)
TOWERS: Mapping[str, Tower] = MappingProxyType(
    {
        # Radford et al. 2021; H and up: LAION's, with exact GELU.
        "clip_b32": _clip(32, 768, 12, 512),
        "clip_b16": _clip(16, 768, 12, 512),
        "clip_l14": _clip(14, 1024, 24, 768),
        "clip_l14_336": _clip(14, 1024, 24, 768, size=336),
        "clip_h14": _clip(14, 1280, 32, 1024, heads=16, activation="gelu"),
        "clip_g14": _clip(14, 1408, 40, 1024, heads=16, mlp=6144, activation="gelu"),
        "clip_bigg14": _clip(14, 1664, 48, 1280, heads=16, mlp=8192, activation="gelu"),
        # Oquab et al. 2023; Darcet et al. 2023
        **_DINOV2,
        **{f"{n}_reg": dataclasses.replace(t, registers=4) for n, t in _DINOV2.items()},
        # Simeoni et al. 2025
        "dinov3_s16": _dinov3(384),
        "dinov3_b16": _dinov3(768),
        "dinov3_l16": _dinov3(1024, 24),
        "dinov3_hplus16": _dinov3(1280, 32, mlp=5120, **_SWIGLU),
        "dinov3_7b16": _dinov3(4096, 40, heads=32, mlp=8192, qkv_bias="none", **_SWIGLU),
        # Steiner et al. 2021
        "augreg_s16_384": _vit(16, 384, size=384),
        "augreg_b16": _vit(16, 768),
        # Zhai et al. 2023
        "siglip_b16": _siglip(16, 768, 12),
        "siglip_l16_256": _siglip(16, 1024, 24, size=256),
        "siglip_so400m14": _siglip(14, 1152, 27, heads=16, mlp=4304),
    }
)
