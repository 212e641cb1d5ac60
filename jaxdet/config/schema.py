"""The schema of an experiment: every option with its type, unit, default and source."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jaxdet.ranges import AREA, SEED, SIDE

WANG = "Wang et al., CVPR 2020"
FRANK = "Frank and Holz, ML Reproducibility Challenge 2020"
XUAN = "Xuan et al. 2019"
ZHANG = "Zhang et al., WIFS 2019"
NPR = "Tan et al., CVPR 2024"
COMMUNITY = "Community Forensics, CVPR 2025"
DDA = "DDA, NeurIPS 2025"
EFFORT = "Effort, ICML 2025"

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
# The schedules of the learning rate, each with whether it may begin with a warm-up.
SCHEDULES: Mapping[str, bool] = MappingProxyType(
    {"plateau": False, "cosine": True, "steps": False, "constant": True}
)
WARMED_UP = tuple(name for name, is_warmed_up in SCHEDULES.items() if is_warmed_up)
# What may be asked of a user: CLIP's, whose files do not say it.
ACTIVATIONS = ("gelu", "quick_gelu")
# What happens to a training image unless the config says otherwise, in the published order: a
# change here is one of every recipe.
USUAL_OPERATIONS = ("resize", "rescale", "blur", "jpeg", "crop", "noise", "flip")
# What augment.operations may name: modules of jaxdet/data/augment, each with `sample`.
OPERATIONS = (*USUAL_OPERATIONS,)
# What evaluation.protocols and evaluation.analyses may name.
PROTOCOLS = ("crop", "full", "resize", "five_crops")
ANALYSES = ("spectra", "ranking", "lineup")
# What data.layout may name; jaxdet/data/table/layouts.py describes them.
LAYOUTS = (
    "forensynths", "genimage", "real_fake", "univfd", "drct", "synthbuster", "fake_only",
    "real_only",
)  # fmt: skip
# The checkpoints of a run that may be asked for.
CHECKPOINTS = ("best", "best_of_last_phase", "latest")
# How files are known again, the default first.
COMPARE = ("times", "bytes")


def option(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    source: str = "jaxdet",
    choices: tuple[str, ...] = (),
    within: str = "",
) -> Any:
    """Returns a dataclass field that carries its own documentation.

    Args:
      default: where nothing is given.
      doc: what it means, for docs/configuration.md.
      unit: of a number.
      source: who published the default or the choice.
      choices: all that a word may be; empty: any.
      within: the interval of a number, or of each number of a tuple, as `(0, 1]`.
    """
    metadata = {"doc": doc, "unit": unit, "source": source, "choices": choices, "within": within}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """Describes where the images lie and which of them are used."""

    root: str = option(
        "data",
        "folder with train/, val/ and test/ or in the layout of a benchmark, packed store, "
        "tfds:NAME, CSV, TSV, JSONL or Parquet file, or folder of Parquet files",
        source=f"ForenSynths layout: {WANG}",
    )
    columns: str = option(
        "",
        'which column of a table is what, as {"image": "NAME", "label": "NAME"}; further ones are '
        "split, generator, category and group. Empty: by their usual names",
    )
    labels: str = option(
        "",
        'what labels of a table, or folders of another layout, mean, as {"ai": "fake", "cat": '
        '"real"}; then no other word means anything. Empty: by their usual names',
    )
    layout: str = option(
        "auto",
        "which layout a folder has, see docs/reference/tables.md; auto: the only one that fits",
        choices=("auto", *LAYOUTS),
    )
    train_root: str = option(
        "",
        "folder whose train/ and val/ are used in place of those of root; empty: root",
        source=f"images of other generators: {WANG}, table 4; {FRANK}, supplement B",
    )
    generator: str = option(
        "",
        "test set of the generator whose fakes are trained on; reports mark it, as the papers do. "
        "Empty: none is marked",
        source=WANG,
    )
    classes: tuple[str, ...] = option(
        (), "training class folders to use; empty: all that are there", source=WANG
    )
    num_classes: int = option(
        0,
        "use only the first N class folders in sorted order; 0: all",
        source=FRANK,
        within="[0, 1e6]",
    )
    fraction: float = option(
        1.0,
        "share of each training folder to use, drawn with the seed",
        source=f"{WANG}, B.2",
        within="(0, 1]",
    )
    validation: str = option(
        "auto",
        "auto: val/ where it exists, else a share of train/; train: that share in any case; none: "
        "all of train/ is trained on and the latest checkpoint is scored, without thresholds",
        source=f"train: {FRANK}; none: {XUAN}",
        choices=("auto", "train", "none"),
    )
    val_fraction: float = option(
        0.1,
        "share of train/ that is held out for validation",
        source=FRANK,
        within="(0, 1)",
    )
    pairs: str = option(
        "none",
        "which training images get the same random numbers, so that a real image and the fake made "
        "from it are cropped, compressed and flipped alike. name: those of one category named "
        "alike; group: those of one group of a table",
        source="Dual Data Alignment, NeurIPS 2025",
        choices=("none", "name", "group"),
    )
    balance: str = option(
        "none",
        "which training images come equally often. none: all, each once an epoch; generator: half "
        "of each batch is real, the rest evenly of each generator, a table's or else a class "
        "folder; an epoch has as many rows as before, and images of small generators come again, "
        "augmented anew; partners of pairs share the numbers of each time, not of each epoch",
        choices=("none", "generator"),
    )
    on_bad_image: str = option(
        "stop",
        "stop: an unreadable image ends the run; skip: it is counted and left out of evaluation, "
        "and in training, where batches keep their size, the next readable image of its label "
        "takes its place; replace: that in training alone, for validation and tests, where each "
        "image counts once, it ends the run. All other images keep their places and labels",
        choices=("stop", "skip", "replace"),
    )
    max_pixels: int = option(
        210_000_000,
        "images with more pixels by their header, or with a side of more than 1,024 times the "
        "other, are not decoded and count as unreadable",
        unit="pixels",
        within=AREA,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augment:
    """Lists what happens to a training image: resize, rescale, blur, JPEG, crop, noise, flip."""

    operations: tuple[str, ...] = option(
        USUAL_OPERATIONS,
        "what happens, in this order; `package.module:Name` is an object of one's own with "
        "`apply(image, rng)`, u8 [H, W, 3] in RGB, "
        "which evaluations and published validation leave out",
        source=f"the order of resize, blur, jpeg, crop and flip: {WANG}",
    )
    views: tuple[str, ...] = option(
        (),
        "the ways in which an image is seen, another one each epoch: clean, as in validation; "
        "jpeg:QUALITY, blur:SIGMA or another of `evaluation.chains`, on the whole image; "
        "augmented:K, K draws of all that is set here. Empty: a new draw each epoch, without end",
    )

    resize: int = option(
        0,
        "shorter side after resizing, Pillow's bilinear; 0: no resizing",
        unit="pixels",
        within="[0, 16384]",
    )
    decode: str = option(
        "whole",
        "whole: every image at its own size; scaled: a training JPEG at a half, a quarter or an "
        "eighth of it, by libjpeg, where `augment.resize` leaves fewer pixels anyway: faster, "
        "other pixels (docs/data.md)",
        choices=("whole", "scaled"),
    )
    rescale_probability: float = option(
        0.0,
        "chance that the image is scaled by a random factor and back to its size",
        source=f"Zhang et al.'s rows of {WANG}, 4.4; what is drawn is assumed",
        within="[0, 1]",
    )
    rescale_factor: tuple[float, float] = option(
        (0.5, 1.0),
        "range of that factor, Pillow's antialiased bilinear",
        source="assumed",
        within="[0.01, 2]",
    )
    blur_probability: float = option(
        0.0, "chance of a Gaussian blur", source=f"{WANG}, 4.1", within="[0, 1]"
    )
    blur: str = option(
        "gaussian",
        "gaussian: kernel to four deviations; three_tap: torchvision's of three taps, far weaker; "
        "three_tap_vertical: the same at deviation 3 down the columns alone, nothing drawn; "
        "kernel: OpenCV's by the side of its kernel, out of blur_kernels",
        source=f"gaussian: {WANG}; three_tap, three_tap_vertical (the joint rows): {FRANK}; "
        f"kernel: {XUAN}",
        choices=("gaussian", "three_tap", "three_tap_vertical", "kernel"),
    )
    blur_kernels: tuple[int, ...] = option(
        (1, 3, 5, 7),
        "sides of the kernel to draw from",
        unit="pixels",
        source=XUAN,
        within="[1, 255]",
    )
    blur_sigma: tuple[float, float] = option(
        (0.0, 3.0),
        "range of the blur's standard deviation",
        unit="pixels",
        source=f"{WANG}, 4.1",
        within="[0, 100]",
    )
    backend: str = option(
        "faithful",
        "faithful: the published arithmetic bit by bit; fast: blur in one pass, at most one level "
        "from it, and JPEG by OpenCV alone",
        choices=("faithful", "fast"),
    )
    jpeg_probability: float = option(
        0.0, "chance of JPEG compression", source=f"{WANG}, 4.1", within="[0, 1]"
    )
    jpeg_quality: tuple[int, int] = option(
        (30, 100),
        "range of the JPEG quality, both ends included",
        source=f"{WANG}, 4.1",
        within="[1, 100]",
    )
    jpeg_quality_cap: int = option(
        100,
        "a higher quality that was drawn becomes this one",
        source=f"95: {FRANK}",
        within="[1, 100]",
    )
    jpeg_codecs: tuple[str, ...] = option(
        ("cv2", "pil"), "encoders to draw from: cv2, pil", source=f"{WANG}, 4.1"
    )
    noise_probability: float = option(
        0.0,
        "chance of Gaussian noise, behind JPEG and crop unless `augment.operations` says otherwise",
        source=XUAN,
        within="[0, 1]",
    )
    noise_sigma: tuple[float, float] = option(
        (0.0, 5.0),
        "range of the noise's standard deviation",
        unit="grey levels",
        source=XUAN,
        within="[0, 255]",
    )
    scope: str = option(
        "image",
        "what rescaling, blur, JPEG and noise are drawn for: each image, or once for all of a "
        "batch",
        source=f"image: {WANG}; batch: {XUAN}",
        choices=("image", "batch"),
    )
    coupling: str = option(
        "independent",
        "blur and JPEG by two coins, or both by one coin (blur_probability)",
        source=f"independent: {WANG}; joint: {FRANK}",
        choices=("independent", "joint"),
    )
    crop: int = option(
        224,
        "side of the square crop: random in training, else centre",
        unit="pixels",
        source=WANG,
        within=SIDE,
    )
    corner: str = option(
        "random",
        "where the crop of training lies",
        source=f"centre: {ZHANG}",
        choices=("random", "centre"),
    )
    flip_probability: float = option(
        0.5, "chance of a horizontal flip", source=WANG, within="[0, 1]"
    )


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
        "nearest real and nearest fake images whose mean cosines knn compares",
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optim:
    """Describes how the parameters follow the gradients."""

    name: str = option(
        "adam",
        "adam; adamw: with decoupled weight decay; sgd: torch's, with momentum and dampening",
        source=f"adam: {WANG}; adamw: {COMMUNITY}; sgd: {ZHANG}",
        choices=("adam", "adamw", "sgd"),
    )

    loss: str = option(
        "",
        "empty: the detector's own, cross-entropy for all but forensic_transfer; or "
        "`package.module:Name`, a function of logits, float [B], and labels, i32 [B]",
    )
    contrastive: float = option(
        0.0,
        "share of the loss that is contrastive: features of images of one label are drawn together "
        "and those of both labels apart; with linear_probe, two_layer_probe and rine",
        source=f"0.5: {DDA}; 0.3: DRCT, ICML 2024",
        within="[0, 1]",
    )
    supcon: float = option(
        0.0,
        "what the supervised contrastive loss (temperature 0.07) of rine counts beside the sum of "
        "the batch's cross-entropies: 0.1 for the model of one training class, else 0.2",
        source="Koutlis and Papadopoulos, ECCV 2024",
        within="[0, 1000]",
    )
    batch_size: int = option(
        64, "images a step, over all devices and hosts", source=WANG, within="[1, 1e6]"
    )
    accumulate: int = option(
        1,
        "equal parts that a step works through one after another, adding up their gradients: the "
        "memory of one part; batch statistics are those of each part",
        within="[1, 1e6]",
    )
    rematerialise: bool = option(
        False,
        "training keeps only the input of each residual block and computes its maps again for the "
        "gradient: less memory, about a third more to compute. ResNets alone",
        source="Chen et al. 2016, arXiv 1604.06174",
    )
    learning_rate: float = option(
        1e-4, "learning rate at the start", source=WANG, within="(0, 1e30]"
    )
    beta1: float = option(0.9, "Adam's decay of the first moment", source=WANG, within="[0, 1)")
    beta2: float = option(0.999, "Adam's decay of the second moment", source=WANG, within="[0, 1)")
    epsilon: float = option(
        1e-8, "Adam's epsilon, outside the square root", source="PyTorch", within="(0, 1]"
    )
    momentum: float = option(
        0.9, "SGD's share of the last direction", source=ZHANG, within="[0, 1)"
    )
    dampening: float = option(
        0.0,
        "SGD dampening: fraction of each new gradient that is discarded",
        source=f"0.9: {ZHANG}",
        within="[0, 1]",
    )
    weight_decay: float = option(
        0.0,
        "sgd's L2 penalty; adamw's share of every trained parameter, times the learning rate, that "
        "an update takes off",
        source=f"1e-4: {ZHANG}; 1e-2: {COMMUNITY}",
        within="[0, 1000]",
    )
    layer_decay: float = option(
        1.0,
        "the rate of a tower's last block is this times the head's, and that of each block before "
        "it this times the next one's",
        source="BEiT, ICLR 2022 (0.65 to 0.85)",
        within="(0, 1]",
    )
    ema: float = option(
        0.0,
        "share that an average of the trained parameters and statistics keeps at each update; the "
        "averages are what is validated, scored and converted. 0: no averages",
        source="timm (0.9998)",
        within="[0, 1)",
    )
    schedule: str = option(
        "plateau",
        "plateau: divided after epochs without improvement; cosine: to zero over max_epochs, from "
        "the end of the warm-up on; "
        "steps: by decay_factor after every decay_every epochs; constant",
        source=f"plateau: {WANG}; steps: {NPR}",
        choices=tuple(SCHEDULES),
    )
    warmup: float = option(
        0.0,
        "share of all updates over which the rate rises to learning_rate, in equal steps; with "
        f"{' and '.join(WARMED_UP)}",
        source=f"0.2: {COMMUNITY}",
        within="[0, 1)",
    )
    decay_every: int = option(
        10, "epochs between the falls of steps", unit="epochs", source=NPR, within="[1, 1e6]"
    )
    decay_factor: float = option(
        0.9, "what the rate is multiplied by at each fall", source=NPR, within="(0, 1]"
    )
    max_epochs: int = option(
        0,
        "end after this many epochs; 0: when the plateau rule ends the run",
        unit="epochs",
        within="[0, 1e6]",
    )
    on_nonfinite: str = option(
        "stop",
        "a loss or gradient that is not finite ends the run and leaves what repeats the step; or "
        "its update is left out and counted",
        choices=("stop", "skip"),
    )
    max_skipped: int = option(
        10,
        "with skip: updates left out in a whole run, at most; one more ends it",
        unit="steps",
        within="[0, 1e9]",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plateau:
    """Describes the published early stopping, which divides the learning rate before it stops."""

    patience: int = option(
        5,
        "epochs without improvement that end a phase",
        unit="epochs",
        source=WANG,
        within="[1, 1e6]",
    )
    first_delta: float = option(
        0.001,
        "least gain in accuracy that counts in the first phase",
        source="CNNDetection",
        within="[0, 1]",
    )
    later_delta: float = option(
        0.002, "the same in later phases", source="CNNDetection", within="[0, 1]"
    )
    factor: float = option(
        10.0,
        "what the learning rate is divided by when a phase ends",
        source=WANG,
        within="(1, 1e30]",
    )
    min_learning_rate: float = option(
        1e-6,
        "the run ends when the learning rate would fall below this",
        source=WANG,
        within="[0, 1e30]",
    )
    keep_best: bool = option(
        False,
        "a phase has the best accuracy of all earlier ones to beat; else it begins anew",
        source=f"false: CNNDetection; true: {FRANK}",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Validation:
    """Describes what the plateau rule and the choice of the best checkpoint see after an epoch."""

    augment: str = option(
        "clean",
        "clean: crop only; published: also blur and JPEG with their probability, at the middle "
        "of their ranges (sigma 1.5, quality 65, Pillow); training: all that happens to training "
        "images, random crops too, but decoded whole",
        source=f"published: CNNDetection; training: {FRANK}",
        choices=("clean", "published", "training"),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Describes when the run is saved and how much of it is kept."""

    every_steps: int = option(
        2000,
        "save within an epoch after this many steps; 0: after epochs only",
        source=WANG,
        within="[0, 1e9]",
    )
    keep_latest: int = option(2, "newest checkpoints kept, beside the best ones", within="[1, 1e6]")
    on_full_disk: str = option(
        "stop",
        "stop: end with the checkpoint before kept; wait: go on when there is room, and let each "
        "save end before the next step. Never changes a result",
        choices=("stop", "wait"),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Describes which sets are scored, on what part of each image, and with which weights."""

    sets: tuple[str, ...] = option(
        (),
        "folders under test/ to score; of benchmarks NAME.SET, or NAME for all of one; empty: all "
        "that are there",
    )
    benchmarks: tuple[str, ...] = option(
        (),
        "NAME=ROOT or NAME:LAYOUT=ROOT of each benchmark to score in place of data.root's test/: a "
        "folder in its own layout (or that of data.layout's which is named), a table or an index; "
        "their sets are called NAME.SET",
    )
    benchmark_root: str = option(
        "",
        "folder below which the ROOTs of benchmarks lie, absolute paths and tfds:NAME aside",
    )
    missing_benchmarks: str = option(
        "stop",
        "what to do where a benchmark is not there: stop; skip: score the others, and warn of it",
        choices=("stop", "skip"),
    )
    crop: int = option(
        0,
        "side of the centre crop, smaller images padded with black; 0: augment.crop",
        unit="pixels",
        source=WANG,
        within="[0, 16384]",
    )
    protocols: tuple[str, ...] = option(
        ("crop",),
        "what of each image is scored; the first is the headline. crop: centre crop without "
        "resizing; full: the whole image, in tiles where it is too large; resize: centre crop "
        "after resizing; five_crops: mean logit of the corners and the centre",
        source=f"crop: {WANG}; full: CNNDetection; resize: {WANG}, A.7",
    )
    resize: int = option(
        256,
        "shorter side of the protocol resize",
        unit="pixels",
        source=f"{WANG}, A.7",
        within=SIDE,
    )
    equalise: str = option(
        "none",
        "jpeg:QUALITY compresses each image of the test sets, real and fake alike, before anything "
        "looks at it; none: images as they are",
    )
    blur_sigmas: tuple[float, ...] = option(
        (),
        "score the sets again blurred, with each of these deviations",
        unit="pixels",
        source=f"{WANG}, figure 5",
        within="(0, 100]",
    )
    jpeg_qualities: tuple[int, ...] = option(
        (),
        "score the sets again after JPEG (Pillow) of each quality",
        source=f"{WANG}, figure 5",
        within="[1, 100]",
    )
    scales: tuple[float, ...] = option(
        (),
        "score the sets again resized by each factor, Pillow's bilinear",
        within="(0, 16]",
    )
    noise_sigmas: tuple[float, ...] = option(
        (),
        "score the sets again with Gaussian noise of each deviation",
        unit="grey levels",
        within="(0, 255]",
    )
    chains: tuple[str, ...] = option(
        (),
        "score the sets again after each step of these chains: web, long:768+jpeg:60; hard, "
        "long:512+jpeg:40; screenshot:FACTOR, resized and kept as PNG; or any of jpeg:QUALITY, "
        "blur:SIGMA, scale:FACTOR, long:PIXELS (longer sides are shrunk to it) joined by +",
    )
    two_shot: int = option(
        0,
        "images of each label of a set that are cut into random crops to learn a threshold from "
        "every pair of a real and a fake; 0: none",
        source=f"{WANG}, A.6",
        within="[0, 1e6]",
    )
    two_shot_crops: int = option(
        128,
        "random crops of each image for two_shot",
        source=f"{WANG}, A.6",
        within="[1, 1e6]",
    )
    analyses: tuple[str, ...] = option(
        ("spectra", "ranking"),
        "what to look at besides scores: spectra, average spectra after a high pass; ranking, the "
        "images at the quartiles of their label's scores and the most mistaken, with maps of "
        "the evidence; lineup, 20 real and 20 fake images drawn at random, by their score",
        source=f"{WANG}, figures 6, 7 and A.1",
    )
    spectrum_images: int = option(
        2000,
        "images of each label in an average spectrum, at most",
        source=f"{WANG}, figure 7",
        within="[1, 1e9]",
    )
    batch_size: int = option(0, "images a step; 0: optim.batch_size", within="[0, 1e6]")
    weights: str = option(
        "auto",
        "checkpoint that is scored: best of all epochs, best of the last phase as published, or "
        "the latest; auto: where model.init is a run, that run's own choice, else best, or the "
        "latest without validation",
        source="best_of_last_phase: CNNDetection",
        choices=("auto", *CHECKPOINTS),
    )
    bootstrap: int = option(1000, "resamples behind each 95 % interval", within="[0, 1e5]")
    published: str = option(
        "auto",
        "row of evals/published.csv whose AP stands beside ours, as 'source; table; setting; "
        "result'; none; auto: the row of released weights, known by the name of their file",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runtime:
    """Describes the machine; no result depends on it but on `deterministic`, on GPUs."""

    devices: int = option(
        0, "accelerators (or simulated CPU devices) to use; 0: all", within="[0, 1e6]"
    )
    workers: int = option(
        -1, "input workers a host; -1: one per core, 0: none, in line", within="[-1, 1024]"
    )
    worker_kind: str = option(
        "auto",
        "threads or processes; auto: processes where more than four workers make 4 GiB of crops or "
        "more and shared memory holds their batches, threads otherwise",
        choices=("auto", "threads", "processes"),
    )
    log_every: int = option(
        50, "steps between lines in metrics.jsonl", unit="steps", within="[1, 1e9]"
    )
    trackers: tuple[str, ...] = option(
        (),
        "who else is given the lines of metrics.jsonl: tensorboard, event files in the run's "
        "folder tensorboard; wandb, Weights & Biases, whose WANDB_MODE and WANDB_PROJECT hold",
    )
    hang_seconds: float = option(
        1800.0,
        "end the run with a diagnosis where nothing moves for so long; where the stage is known "
        "to be long without a sign (compiling, looking up images, scores' intervals) after an "
        "hour at least; 0: never",
        unit="seconds",
        within="[0, 1e7]",
    )
    compare_images: str = option(
        "times",
        "how scores and spectra of an earlier start know their images again: times, by names, "
        "sizes and times of change; bytes, by SHA-256 of all files, which is for data that is "
        "copied anew for each start",
        choices=COMPARE,
    )
    deterministic: bool = option(
        False,
        "same machine, same bits on GPUs too, by XLA's deterministic operations, without its "
        "autotuning; CPUs give the same bits in any case",
    )
    features: str = option(
        "",
        "folder that keeps what a frozen tower (`model.tune=head`) sees of each image in each of "
        "`augment.views`, and of validation images in the clean one; runs share it. Empty: the "
        "tower looks anew each epoch",
    )
    compile_cache: str = option(
        "",
        "folder that keeps compiled programs for later starts; empty: JAX_COMPILATION_CACHE_DIR "
        "where that is set, else ~/.cache/jaxdet/compiled on accelerators and none on CPUs; none: "
        "none. Refused where others may write",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Describes one experiment."""

    name: str = option("unnamed", "title of the run in its report")
    task: str = option(
        "train_eval",
        "train, evaluate (weights from model.init), or one after the other",
        choices=("train_eval", "train", "eval"),
    )
    seed: int = option(0, "every random choice follows from it", within=SEED)
    data: Data = Data()
    augment: Augment = Augment()
    model: Model = Model()
    optim: Optim = Optim()
    plateau: Plateau = Plateau()
    validation: Validation = Validation()
    checkpoint: Checkpoint = Checkpoint()
    evaluation: Evaluation = Evaluation()
    runtime: Runtime = Runtime()

    @property
    def train_root(self) -> str:
        """Returns the folder where train/ and val/ lie."""
        return self.data.train_root or self.data.root

    @property
    def eval_crop(self) -> int:
        """Returns the side of the centre crop that is scored, pixels."""
        return self.evaluation.crop or self.augment.crop

    @property
    def resolved_evaluation(self) -> Evaluation:
        """Returns `evaluation` with the side and the batch that its zeros stand for."""
        return dataclasses.replace(
            self.evaluation, crop=self.eval_crop, batch_size=self.eval_batch_size
        )

    @property
    def checkpoint_choice(self) -> str:
        """Returns which of its own checkpoints the run is measured by, one of CHECKPOINTS."""
        if self.evaluation.weights != "auto":
            return self.evaluation.weights
        return "latest" if self.data.validation == "none" else "best"

    @property
    def eval_batch_size(self) -> int:
        """Returns the number of images in a scoring step."""
        return self.evaluation.batch_size or self.optim.batch_size
