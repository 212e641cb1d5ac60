"""Defines the options of `model`, and the detectors that it may name."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from jaxdet.config.fields import DDA, EFFORT, FRANK, WANG, option

# The detectors, each by the place of its Architecture or of a function that builds its network.
ARCHITECTURES: Mapping[str, str] = MappingProxyType(
    {
        # Wang et al., CVPR 2020, and Frank and Holz 2020
        "resnet18": "jaxdet.models.resnet:RESNET18",
        "resnet34": "jaxdet.models.resnet:RESNET34",
        "resnet50": "jaxdet.models.resnet:RESNET50",
        "vgg11": "jaxdet.models.vgg:VGG11",
        "vgg11_bn": "jaxdet.models.vgg:VGG11_BN",
        "dct_resnet18": "jaxdet.models.dct_resnet:DCT_RESNET18",
        "dct_resnet50": "jaxdet.models.dct_resnet:DCT_RESNET50",
        # Frank et al., ICML 2020
        "dct_log_resnet18": "jaxdet.models.dct_resnet:DCT_LOG_RESNET18",
        # Xuan et al. 2019
        "dcgan": "jaxdet.models.dcgan:DCGAN",
        # Zhang et al., WIFS 2019
        "image_resnet34": "jaxdet.models.resnet:IMAGE_RESNET34",
        "spectrum_resnet34": "jaxdet.models.resnet:SPECTRUM_RESNET34",
        # Nataraj et al. 2019
        "cooccurrence": "jaxdet.models.cooccurrence_cnn:COOCCURRENCE",
        # Cozzolino et al. 2018
        "forensic_transfer": "jaxdet.models.forensic_transfer:FORENSIC_TRANSFER",
        # Tan et al., CVPR 2024
        "npr": "jaxdet.models.resnet:NPR",
        # Gragnaniello et al., ICME 2021
        "resnet50_nodown": "jaxdet.models.resnet:RESNET50_NODOWN",
        # Ojha et al., CVPR 2023, and others
        "linear_probe": "jaxdet.models.probes:LINEAR_PROBE",
        # Chen et al., ICML 2024
        "two_layer_probe": "jaxdet.models.probes:TWO_LAYER_PROBE",
        # Koutlis and Papadopoulos, ECCV 2024
        "rine": "jaxdet.models.probes:RINE",
        # Ojha et al., CVPR 2023, and others
        "knn": "jaxdet.models.banks:NEIGHBOURS",
        "centroid": "jaxdet.models.banks:CENTROIDS",
        # FGTS, arXiv 2511.22471
        "token_probe": "jaxdet.models.tokens:TOKEN_PROBE",
    }
)
# Those of them that look through a vision tower, model.tower.
PROBES = ("linear_probe", "two_layer_probe", "rine", "knn", "centroid", "token_probe")
# Those of them that remember training images and have no parameters but their tower's.
BANKS = ("knn", "centroid")
# Those with embeddings that a loss may compare.
CONTRASTING = ("linear_probe", "two_layer_probe", "rine")
# Which parameters are trained.
TUNINGS = ("all", "head", "lora", "svd")
_WITHOUT_WIDTH = ("linear_probe", "token_probe", *BANKS)
# What may be asked of a user: CLIP's, whose files do not say it.
ACTIVATIONS = ("gelu", "quick_gelu")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """Describes the detector: a network and what it starts from."""

    name: str = option(
        "resnet50",
        "the detector: a network and what it looks at; see docs/systems.md; or "
        "`package.module:Name`, a function of these options that gives a Flax module, float "
        "[B, H, W, 3] to logits [B], or a `jaxdet.models.architectures.Architecture`",
        source=WANG,
        choices=tuple(ARCHITECTURES),
    )
    init: str = option(
        "",
        "initial weights: a run folder, a folder of `jaxdet.convert`, or a .pth or .safetensors "
        "file with torchvision's names; empty: random",
    )
    zero_init_residual: bool = option(
        True,
        "random weights start each residual block as its shortcut alone; torchvision's default is "
        "false",
        source="Goyal et al. 2017, arXiv 1706.02677",
    )
    head_deviation: float = option(
        0.02,
        "deviation of the normal weights that a new last layer of a ResNet or VGG starts with",
        source=f"CNNDetection; 1: {FRANK}",
        within="(0, 100]",
    )
    width: int = option(
        64,
        "channels of the first layer: 64 as published, but cooccurrence 32, forensic_transfer 8; "
        "of rine's projections: 128 or 1024; of two_layer_probe: 1024",
        within="[1, 1024]",
    )
    tower: str = option(
        "clip_l14",
        "vision tower of a detector that has one: a name of docs/reference/systems.md, with what "
        "differs from it behind a colon, `clip_l14:activation=gelu`",
    )
    tune: str = option(
        "all",
        "which parameters are trained: all; head: those on top of the tower, which stays as it is; "
        "lora: the head, and a product of two narrow matrices beside each dense layer of the "
        "tower's blocks; svd: the head, and the last singular triplets of each layer of the "
        "blocks' attention. Weights that are scored or converted have either merged in",
        source=f"head: Ojha et al., CVPR 2023; lora: {DDA} (Hu et al., ICLR 2022); svd: {EFFORT}",
        choices=TUNINGS,
    )
    tune_rank: int = option(
        0,
        "width of lora's matrices, or number of svd's triplets; 0: 8, or 1",
        source=f"8: {DDA}; 1: {EFFORT}",
        within="[0, 1024]",
    )
    tune_alpha: float = option(
        1.0, "lora's product counts alpha / rank", source=DDA, within="(0, 1000]"
    )
    normalise: bool = option(
        False,
        "linear_probe divides features by their L2 norm",
        source="true: Cozzolino et al., CVPR Workshops 2024 (ClipBased)",
    )
    bank: int = option(
        10_000,
        "training images that knn remembers, or in which token_probe compares patches, twice, "
        "before it learns: the first that are shown",
        within="[1, 1e7]",
    )
    tokens: int = option(
        10,
        "patches whose mean token_probe looks at",
        source="FGTS, arXiv 2511.22471",
        within="[1, 1e5]",
    )
    neighbours: int = option(
        1,
        "nearest real and fake images whose mean cosines knn compares; published: a vote of all",
        source="Ojha et al., CVPR 2023",
        within="[1, 1000]",
    )
    projection_layers: int = option(
        4,
        "layers in each of rine's two projections: 4, but 2 for the model of four training classes",
        source="Koutlis and Papadopoulos, ECCV 2024",
        within="[1, 16]",
    )
    dtype: str = option(
        "float32",
        "of the maps between the layers; parameters, statistics and logits are float32 in any case",
        choices=("float32", "bfloat16"),
    )
    running_variance: str = option(
        "unbiased",
        "estimate kept by batch normalisation: unbiased as PyTorch, biased as Flax",
        choices=("unbiased", "biased"),
    )
    norm_groups: int = option(
        1,
        "batch statistics are taken over this many equal groups of the global batch, or of each of "
        "its parts (optim.accumulate)",
        within="[1, 1e6]",
    )

    @property
    def title(self) -> str:
        """Returns what messages call the network: `resnet50 of width 64`."""
        width = "" if self.name in _WITHOUT_WIDTH else f" of width {self.width}"
        return f"{self.name}{width}{f' on {self.tower}' if self.name in PROBES else ''}"
