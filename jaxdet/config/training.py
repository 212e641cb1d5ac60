"""Defines the options of `optim`, `plateau`, `validation` and `checkpoint`."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from jaxdet.config.fields import COMMUNITY, DDA, FRANK, NPR, WANG, ZHANG, option

# The schedules of the learning rate, each with whether it may begin with a warm-up.
SCHEDULES: Mapping[str, bool] = MappingProxyType(
    {"plateau": False, "cosine": True, "steps": False, "constant": True}
)
WARMED_UP = tuple(name for name, is_warmed_up in SCHEDULES.items() if is_warmed_up)


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
        "stop: end with the checkpoint before kept; wait: go on when there is disk space, and let "
        "each save end before the next step. Never changes a result",
        choices=("stop", "wait"),
    )
