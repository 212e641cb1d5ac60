"""Small towers in the names of every publisher, with random arrays."""

import numpy as np

from jaxdet.config import Model
from jaxdet.convert.architectures import shapes
from jaxdet.convert.rules import to_torch
from jaxdet.convert.spellings import PROBE_TABLES
from jaxdet.models.towers import read_tower

SMALL = "width=8,depth=2,heads=2,mlp=12"
# Of each spelling a tower that its files have.
KINDS = {
    "open_clip": f"clip_l14:size=28,{SMALL},projection=6",
    "transformers_clip": f"clip_b16:size=32,{SMALL},projection=6",
    "transformers_vision": f"siglip_l16_256:size=32,{SMALL}",
    "effort": f"clip_l14:size=28,{SMALL},projection=0",
    "transformers_dinov2": f"dinov2_b14_reg:size=28,{SMALL}",
    "transformers_dinov2_swiglu": f"dinov2_g14:size=28,{SMALL}",
    "transformers4_dinov2": f"dinov2_b14:size=28,{SMALL}",
    "transformers4_dinov2_swiglu": f"dinov2_g14_reg:size=28,{SMALL}",
    "transformers_dinov3": f"dinov3_b16:{SMALL}",
    "hub_dinov3": f"dinov3_hplus16:{SMALL}",
    "community_forensics": f"augreg_s16_384:size=32,{SMALL},normalisation=imagenet,resize=bilinear",
    "timm": f"dinov2_b14_reg:size=28,positions=patches,mask_token=false,{SMALL}",
    "timm_clip": f"clip_b16:size=32,{SMALL},projection=6,projection_bias=true",
    "timm_clip_head": f"clip_b16:size=32,{SMALL},projection=0,patch_bias=false",
    "timm_siglip": f"siglip_b16:size=32,{SMALL}",
    "timm_swiglu": f"dinov2_g14:size=28,mask_token=false,{SMALL}",
    "timm_dinov3": f"dinov3_b16:mask_token=false,{SMALL}",
    "timm_dinov3_swiglu": f"dinov3_7b16:mask_token=false,{SMALL}",
    "meta_dinov2": f"dinov2_b14_reg:size=28,{SMALL}",
    "meta_dinov2_swiglu": f"dinov2_g14_reg:size=28,{SMALL}",
    "meta_dinov3": f"dinov3_b16:{SMALL}",
    "meta_dinov3_swiglu": f"dinov3_hplus16:{SMALL}",
}
FACTS = {"activation": "quick_gelu", "heads": 2}


def arrays_of(model):
    rng = np.random.default_rng(0)
    return {p: rng.normal(0, 1, s).astype(np.float32) for p, s in shapes(model).items()}


def spelled(spelling, *, name="linear_probe", head=True):
    model = Model(name=name, tower=read_tower(KINDS[spelling]).text, width=4, projection_layers=2)
    if name == "linear_probe":
        model = Model(name=name, tower=model.tower)
    arrays = {p: a for p, a in arrays_of(model).items() if head or not p.startswith("params/head")}
    return model, arrays, to_torch(arrays, table=PROBE_TABLES[spelling])


def same(first, second):
    return first.keys() == second.keys() and all(
        first[key].tobytes() == value.tobytes() and first[key].shape == value.shape
        for key, value in second.items()
    )
