"""Lists the names of a vision tower's arrays in the files of each publisher, as tables of rules."""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from types import MappingProxyType

from jaxdet.convert.axes import AS_IS, CONV, DENSE, Layout
from jaxdet.convert.layers import BATCHED, SINGLE, VIT, dense, layers, norm, packed, stacked
from jaxdet.convert.rules import Rule, Table

_BLOCK = f"{VIT}blocks_{{i}}/"


def _patches(key: str) -> tuple[Rule, ...]:
    return (
        Rule(f"{key}.weight", f"{VIT}patch_embed/kernel", CONV),
        Rule(f"{key}.bias", f"{VIT}patch_embed/bias"),
    )


def _plain(key: str) -> Iterator[Rule]:
    return layers(key, f"{_BLOCK}mlp/", fc1="fc1", fc2="fc2")


def _gated(key: str) -> Iterator[Rule]:
    return layers(key, f"{_BLOCK}mlp/", gate="gate_proj", fc1="up_proj", fc2="down_proj")


def _swiglu(key: str, first: str, last: str) -> Iterator[Rule]:
    """Yields the rules of a gated MLP whose first two layers lie in one key."""
    first = f"{key}{first}"
    yield from packed(f"{first}.weight", f"{first}.bias", f"{_BLOCK}mlp/", ("gate", "fc1"))
    yield from layers(key, f"{_BLOCK}mlp/", fc2=last)


def _qkv(key: str, *, biased: str = "qkv") -> Iterator[Rule]:
    """Yields the rules of queries, keys and values that lie in one key, where those are biased."""
    for rule in packed(f"{key}.weight", f"{key}.bias", f"{_BLOCK}attn/", tuple("qkv")):
        if rule.place.endswith("kernel") or rule.place.split("/")[-2] in biased:
            yield rule


def _open_clip() -> Iterator[Rule]:
    """Yields the names of OpenAI's CLIP and of open_clip."""
    block = "visual.transformer.resblocks.{i}."
    yield Rule("visual.class_embedding", f"{VIT}cls_token", SINGLE)
    yield Rule("visual.positional_embedding", f"{VIT}pos_embed")
    yield Rule("visual.conv1.weight", f"{VIT}patch_embed/kernel", CONV)
    yield Rule("visual.proj", f"{VIT}projection/kernel", AS_IS)
    for theirs, ours in (("ln_pre", "norm_pre"), ("ln_post", "norm")):
        yield from norm(f"visual.{theirs}", f"{VIT}{ours}")
    for number in (1, 2):
        yield from norm(f"{block}ln_{number}", f"{_BLOCK}norm{number}")
    yield from stacked(f"{block}attn.", f"{_BLOCK}attn/")
    yield from layers(f"{block}mlp.", f"{_BLOCK}mlp/", fc1="c_fc", fc2="c_proj")


def _transformers_clip(top: str) -> Iterator[Rule]:
    """Yields the names of CLIP and SigLIP in transformers, behind `top`."""
    block = f"{top}encoder.layers.{{i}}."
    yield Rule(f"{top}embeddings.class_embedding", f"{VIT}cls_token", SINGLE)
    yield Rule(f"{top}embeddings.position_embedding.weight", f"{VIT}pos_embed")
    yield from _patches(f"{top}embeddings.patch_embedding")
    yield Rule("visual_projection.weight", f"{VIT}projection/kernel", DENSE)
    # Their spelling.
    for theirs, ours in (("pre_layrnorm", "norm_pre"), ("post_layernorm", "norm")):
        yield from norm(f"{top}{theirs}", f"{VIT}{ours}")
    for number in (1, 2):
        yield from norm(f"{block}layer_norm{number}", f"{_BLOCK}norm{number}")
    names = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "proj": "out_proj"}
    yield from layers(f"{block}self_attn.", f"{_BLOCK}attn/", **names)
    yield from _plain(f"{block}mlp.")
    pool, ours = f"{top}head.", f"{VIT}attn_pool/"
    yield Rule(f"{pool}probe", f"{ours}probe", BATCHED)
    yield from stacked(f"{pool}attention.", f"{ours}attn/")
    yield from _pool_rest(pool, "layernorm")


def _pool_rest(pool: str, between: str) -> Iterator[Rule]:
    yield from norm(f"{pool}{between}", f"{VIT}attn_pool/norm")
    yield from layers(f"{pool}mlp.", f"{VIT}attn_pool/mlp/", fc1="fc1", fc2="fc2")


def _dino(block: str, last: str, patches: str, mask: Layout = AS_IS) -> Iterator[Rule]:
    """Yields the names that DINOv2 and DINOv3 share in transformers."""
    for theirs, ours, layout in (
        ("cls_token", "cls_token", BATCHED),
        ("mask_token", "mask_token", mask),
        ("register_tokens", "reg_token", BATCHED),
        ("position_embeddings", "pos_embed", BATCHED),
    ):
        yield Rule(f"embeddings.{theirs}", f"{VIT}{ours}", layout)
    yield from _patches(f"embeddings.{patches}")
    yield from norm(last, f"{VIT}norm")
    for number in (1, 2):
        yield from norm(f"{block}norm{number}", f"{_BLOCK}norm{number}")
        yield Rule(f"{block}layer_scale{number}.lambda1", f"{_BLOCK}ls{number}")


def _dinov2(*, gated: bool, old: bool = False) -> Iterator[Rule]:
    """Yields the names of DINOv2 in transformers; the old ones are the hub's, before version 5."""
    block = "encoder.layer.{i}."
    yield from _dino(block, "layernorm", "patch_embeddings.projection")
    names = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "proj": "o_proj"}
    if old:
        names = {"q": "attention.query", "k": "attention.key", "v": "attention.value",
                 "proj": "output.dense"}  # fmt: skip
    yield from layers(f"{block}attention.", f"{_BLOCK}attn/", **names)
    if gated and old:
        yield from _swiglu(f"{block}mlp.", "weights_in", "weights_out")
    elif gated:
        yield from _gated(f"{block}mlp.")
    else:
        yield from _plain(f"{block}mlp.")


def _dinov3(block: str) -> Iterator[Rule]:
    """Yields the names of DINOv3 in transformers; the hub's files have other blocks."""
    yield from _dino(block, "norm", "patch_embeddings", BATCHED)
    names = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "proj": "o_proj"}
    yield from layers(f"{block}attention.", f"{_BLOCK}attn/", **names)
    yield from _gated(f"{block}mlp.")


def _timm(
    *,
    root: str = "",
    scale: str = "ls{n}.gamma",
    registers: str = "reg_token",
    qkv: Callable[[str], Iterable[Rule]] = _qkv,
    mlp: Callable[[str], Iterable[Rule]] = _plain,
) -> Iterator[Rule]:
    """Yields the names of timm, and of Meta's own files, which differ in few.

    Args:
      root: what stands before all of them.
      scale: of LayerScale, with the number of the branch.
      registers: of the registers.
      qkv: the key of all three to the rules of queries, keys and values.
      mlp: the start of its keys to the rules of the MLP.
    """
    block = f"{root}blocks.{{i}}."
    for theirs, ours in (("cls_token",) * 2, (registers, "reg_token"), ("pos_embed",) * 2):
        yield Rule(f"{root}{theirs}", f"{VIT}{ours}", BATCHED)
    yield Rule(f"{root}mask_token", f"{VIT}mask_token")
    yield from _patches(f"{root}patch_embed.proj")
    yield from norm(f"{root}norm", f"{VIT}norm")
    for number in (1, 2):
        yield from norm(f"{block}norm{number}", f"{_BLOCK}norm{number}")
        yield Rule(f"{block}{scale.format(n=number)}", f"{_BLOCK}ls{number}")
    yield from qkv(f"{block}attn.qkv")
    yield from dense(f"{block}attn.proj", f"{_BLOCK}attn/proj")
    yield from mlp(f"{block}mlp.")


def _latent_pool() -> Iterator[Rule]:
    """Yields timm's names of SigLIP's attention pool (layers/attention_pool.py)."""
    pool, ours = "attn_pool.", f"{VIT}attn_pool/"
    yield Rule(f"{pool}latent", f"{ours}probe", BATCHED)
    yield from packed(f"{pool}kv.weight", f"{pool}kv.bias", f"{ours}attn/", ("k", "v"))
    yield from layers(pool, f"{ours}attn/", q="q", proj="proj")
    yield from _pool_rest(pool, "norm")


def _eva_qkv(key: str) -> Iterator[Rule]:
    """Yields timm's names for DINOv3: one weight, but the biases of queries and values apart."""
    yield from _qkv(key, biased="")
    for name in "qv":
        yield Rule(f"{key.removesuffix('qkv')}{name}_bias", f"{_BLOCK}attn/{name}/bias")


def _mlp(**names: str) -> Callable[[str], Iterator[Rule]]:
    """Returns the rules of an MLP with these layers, `ours="theirs"`, of the start of its keys."""
    return lambda key: layers(key, f"{_BLOCK}mlp/", **names)


_eva = partial(_timm, scale="gamma_{n}", qkv=_eva_qkv)
_meta2 = partial(_timm, registers="register_tokens")
_meta3 = partial(_timm, registers="storage_tokens", qkv=partial(_qkv, biased="qv"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spelling:
    """Describes how the files of one publisher name and read the arrays of a tower.

    Attributes:
      rules: names to our places.
      head: the key of the last layer of a probe on the tower.
      by_timm: whether timm wrote the file: its head is pooled as timm's, and where it has registers
        its positions may be those of the patches alone.
    """

    rules: tuple[Rule, ...]
    head: str = "fc"
    by_timm: bool = False


def _named(rules: Iterable[Rule]) -> Spelling:
    return Spelling(rules=tuple(rules))


def _timms(*rules: Rule, head: str = "head") -> Spelling:
    return Spelling(rules=rules, head=head, by_timm=True)


# How each publisher writes a tower; where files of two have the same names, the first counts for
# both. "_swiglu": with a gated MLP, whose layers have other names.
SPELLINGS: Mapping[str, Spelling] = MappingProxyType(
    {
        "open_clip": _named(_open_clip()),
        "transformers_clip": _named(_transformers_clip("vision_model.")),
        "transformers_vision": _named(_transformers_clip("")),
        "effort": Spelling(rules=tuple(_transformers_clip("")), head="head"),
        "transformers_dinov2": _named(_dinov2(gated=False)),
        "transformers_dinov2_swiglu": _named(_dinov2(gated=True)),
        "transformers4_dinov2": _named(_dinov2(gated=False, old=True)),
        "transformers4_dinov2_swiglu": _named(_dinov2(gated=True, old=True)),
        "transformers_dinov3": _named(_dinov3("model.layer.{i}.")),
        "hub_dinov3": _named(_dinov3("layer.{i}.")),
        "community_forensics": Spelling(rules=tuple(_timm(root="vit.")), head="vit.head"),
        "timm": _timms(*_timm()),
        "timm_clip": _timms(*_timm(), *norm("norm_pre", f"{VIT}norm_pre"),
                            *dense("head", f"{VIT}projection"), head="fc"),
        # A CLIP that was trained on: its `head` is the last layer.
        "timm_clip_head": _timms(*_timm(), *norm("norm_pre", f"{VIT}norm_pre")),
        # Also open_clip's, whose `visual.trunk` is a tower of timm's.
        "timm_siglip": _timms(*_timm(), *_latent_pool()),
        "timm_swiglu": _timms(*_timm(mlp=partial(_swiglu, first="fc1", last="fc2"))),
        "timm_dinov3": _timms(*_eva()),
        "timm_dinov3_swiglu": _timms(*_eva(mlp=_mlp(gate="fc1_g", fc1="fc1_x", fc2="fc2"))),
        "meta_dinov2": _named(_meta2()),
        "meta_dinov2_swiglu": _named(_meta2(mlp=partial(_swiglu, first="w12", last="w3"))),
        "meta_dinov3": _named(_meta3()),
        "meta_dinov3_swiglu": _named(_meta3(mlp=_mlp(gate="w1", fc1="w2", fc2="w3"))),
    }
)  # fmt: skip
_LINEAR = "params/head"
_RINE = (
    Rule("alpha", "params/alpha", BATCHED),
    *dense("proj{p}.{n}", "params/proj{p}_{n}"),
    *dense("head.{n}", "params/head_{n}"),
)
# Spelling to table, with the places of every head.
PROBE_TABLES: Mapping[str, Table] = MappingProxyType(
    {
        name: Table(
            rules=(*spelling.rules, *dense(spelling.head, _LINEAR), *_RINE),
            stem=next(
                rule.key for rule in spelling.rules if rule.place == f"{VIT}patch_embed/kernel"
            ),
            head=f"{_LINEAR}/",
            headless=True,
        )
        for name, spelling in SPELLINGS.items()
    }
)
# The released files of heads alone: UnivFD's fc_weights.pth, and RINE's model_*_trainable.pth.
HEADS: Mapping[str, Table] = MappingProxyType(
    {
        "linear_probe": Table(
            rules=(Rule("weight", f"{_LINEAR}/kernel", DENSE), Rule("bias", f"{_LINEAR}/bias")),
            stem="weight",
        ),
        "rine": Table(rules=_RINE, stem="alpha"),
    }
)


def head_arch(keys: Collection[str]) -> str | None:
    """Returns the detector whose head has these keys; None where they are none by themselves."""
    if len(keys) == 2 and {key.rpartition(".")[2] for key in keys} == {"weight", "bias"}:
        return "linear_probe"
    return "rine" if "alpha" in keys and all(map(HEADS["rine"].places, keys)) else None
