"""Lists the recipes of Wang et al., CVPR 2020: what tables 2 and 4 were trained by.

Sections 4.1, B.2 and B.3 of the paper, and CNNDetection at ea0b562, which has the training of its
own detectors but not of those it compares with.
"""

from collections.abc import Mapping
from types import MappingProxyType

from jaxdet.config import Augment, Config, Data, Evaluation, Model, Optim, Plateau, Validation
from jaxdet.experiments.table import PaperFigure, Row, make_row

# Real and fake images of one training class; there are 20.
CLASS_IMAGES, CLASSES = 36_006, 20
# B.2: epochs without improvement that end a phase, by the share of the training images in percent.
_PATIENCE = {10: 50, 20: 25, 40: 13, 80: 7, 100: 5}
# Rows of all classes: what table 2 calls them, the chances of blur and of JPEG.
_COINS: Mapping[str, tuple[str, float, float]] = MappingProxyType(
    {
        "20cls_noaug": ("No aug", 0.0, 0.0),
        "20cls_blur": ("Blur only", 0.5, 0.0),
        "20cls_jpeg": ("JPEG only", 0.0, 0.5),
        "20cls_blur_jpeg_0.5": ("Blur+JPEG (0.5)", 0.5, 0.5),
        "20cls_blur_jpeg_0.1": ("Blur+JPEG (0.1)", 0.1, 0.1),
    }
)

# Figures 2 to 4, of the rows of table 2.
FIGURES = (
    PaperFigure(
        name="wang_figure2",
        title="Wang et al., figure 2: augmentations",
        panels=(("20 classes", tuple(_COINS)),),
    ),
    PaperFigure(
        name="wang_figure3",
        title="Wang et al., figure 3: numbers of classes",
        panels=(("Blur+JPEG (0.5)", tuple(f"{n}cls_blur_jpeg_0.5" for n in (2, 4, 8, 16, 20))),),
    ),
    PaperFigure(
        name="wang_figure4",
        title="Wang et al., figure 4: detectors of Zhang et al. and theirs",
        panels=(
            (
                "Detectors",
                (
                    "zhang_cyc_im",
                    "zhang_cyc_spec",
                    "zhang_auto_im",
                    "zhang_auto_spec",
                    "20cls_blur_jpeg_0.5",
                    "20cls_blur_jpeg_0.1",
                ),
            ),
        ),
    ),
)

_END = """the paper ends the training at a rate of 1e-6, its code below that: the code, which gave
the released weights, is followed"""
_ALL_ROWS = f"""{_END}; the paper counts 4,000 validation images, the val/ that was
released has 8,000, all of which are used"""


def train(
    *,
    blur: float = 0.0,
    jpeg: float = 0.0,
    classes: int = 0,
    fraction: float = 1.0,
    patience: int = 5,
    train_root: str = "",
    generator: str = "progan",
) -> Config:
    """Returns the config of ResNet-50 from ImageNet weights as CNNDetection trains it.

    Args:
      blur: chance of a blur.
      jpeg: chance of JPEG compression.
      classes: first classes in sorted order; 0: all.
      fraction: share of each class.
      patience: epochs without improvement that end a phase.
      train_root: where train/ and val/ lie; "": where test/ does.
      generator: the test set of the generator whose fakes are trained on; "" where there is none.
    """
    return Config(
        data=Data(
            num_classes=classes, fraction=fraction, train_root=train_root, generator=generator
        ),
        # data/datasets.py:40-49: the shorter side to 256 before all else.
        augment=Augment(resize=256, crop=224, blur_probability=blur, jpeg_probability=jpeg),
        model=Model(name="resnet50", init="weights/resnet50-19c8e357.pth"),
        plateau=Plateau(patience=patience),
        # train.py:17-33.
        validation=Validation(augment="published"),
        # train.py:87-96: each phase overwrites the best checkpoint of the one before.
        evaluation=Evaluation(weights="best_of_last_phase"),
    )


def augmentations() -> tuple[Row, ...]:
    """Returns rows of table 2: 20 classes without, with blur, with JPEG, with both by two coins."""
    return tuple(map(augmented, _COINS))


def augmented(name: str) -> Row:
    """Returns the row of `augmentations` that has this name."""
    setting, blur, jpeg = _COINS[name]
    return make_row(
        name,
        train(blur=blur, jpeg=jpeg),
        published=[_table2(setting)],
        images=CLASSES * CLASS_IMAGES,
        unverified=_ALL_ROWS,
    )


def numbers_of_classes() -> tuple[Row, ...]:
    """Returns rows of table 2 and figure 3: 2, 4, 8, 16 classes; row Blur+JPEG (0.5) has 20."""
    return tuple(
        make_row(
            f"{classes}cls_blur_jpeg_0.5",
            train(blur=0.5, jpeg=0.5, classes=classes, patience=_PATIENCE[share]),
            published=[_table2(f"{classes}-class")],
            images=classes * CLASS_IMAGES,
            unverified=f"""which classes the paper took is not stated, the first in sorted order
            here; {_ALL_ROWS}""",
        )
        for classes, share in ((2, 10), (4, 20), (8, 40), (16, 80))
    )


def shares_of_the_data() -> tuple[Row, ...]:
    """Returns rows of table 4: 10 to 80 % of the images of all 20 classes."""
    return tuple(
        make_row(
            f"{share}percent_blur_jpeg_0.5",
            train(blur=0.5, jpeg=0.5, fraction=share / 100, patience=_PATIENCE[share]),
            published=[_table4(f"{share}% data")],
            images=CLASSES * CLASS_IMAGES * share // 100,
            unverified=f"""how the share was drawn is not stated, from each class and label here;
            {_ALL_ROWS}""",
        )
        for share in (10, 20, 40, 80)
    )


def zhang() -> tuple[Row, ...]:
    """Returns rows of table 2: Zhang et al.'s detectors, on CycleGAN's images or AutoGAN's."""
    rows = (
        ("zhang_cyc_im", "Cyc-Im", "image_resnet34", "cyclegan"),
        ("zhang_cyc_spec", "Cyc-Spec", "spectrum_resnet34", "cyclegan"),
        ("zhang_auto_im", "Auto-Im", "image_resnet34", "autogan"),
        ("zhang_auto_spec", "Auto-Spec", "spectrum_resnet34", "autogan"),
    )
    return tuple(
        make_row(
            name,
            _zhang(model, images),
            published=[_table2(f"Zhang et al. {setting}")],
            unverified="""chance and range of JPEG and of resizing, taken as 0.5, qualities of 30 to
            100 and factors of 0.5 to 1 with the size restored; which images the compared detectors
            were trained on, and how many, is not stated; all of train/ trains, since no choice of
            theirs needs validation; one logit here for their two; their checkpoint is of the epoch
            before the last, ours of the last""",
        )
        for name, setting, model, images in rows
    )


def _zhang(model: str, images: str) -> Config:
    """Returns AutoGAN's code/GAN_Detection_Train.py as it stands, with Wang et al.'s augmentation.

    Its option --data_augment is off. Wang et al. 4.4: all four variants were trained with JPEG and
    resize augmentation, which that code has not; the paper whose numbers these are is followed.
    """
    return Config(
        data=Data(
            train_root=f"data/{images}", validation="none",
            generator="" if images == "autogan" else images,
        ),
        # 205-237: a fixed crop 16:240 of 256 pixels, nothing else.
        augment=Augment(
            resize=256, crop=224, corner="centre", flip_probability=0.0,
            rescale_probability=0.5, rescale_factor=(0.5, 1.0), jpeg_probability=0.5,
        ),
        # 418-428: torchvision's ResNet-34 with ImageNet weights.
        model=Model(name=model, init="weights/resnet34-333f7ec4.pth"),
        # 352-363: the line that would decay the rate is commented out.
        optim=Optim(
            name="sgd", batch_size=64, learning_rate=0.01, momentum=0.9, dampening=0.9,
            weight_decay=1e-4, schedule="constant", max_epochs=10,
        ),
        evaluation=Evaluation(weights="latest"),
    )  # fmt: skip


def other_images() -> tuple[Row, ...]:
    """Returns rows of table 4: training on BigGAN's images, and on those of a deep image prior."""
    return (
        make_row(
            "biggan_blur_jpeg_0.5",
            train(blur=0.5, jpeg=0.5, train_root="data/biggan", generator="biggan"),
            published=[_table4("Blur+JPEG (Big)")],
            images=2 * 400_000,
            unverified=f"which images of ImageNet; patience, taken as 5; {_END}",
        ),
        make_row(
            "dip_blur_jpeg_0.5",
            train(blur=0.5, jpeg=0.5, train_root="data/dip", generator=""),
            published=[_table4("DIP")],
            # A.4: 44,000 reals, each over-sampled six times.
            images=2 * 6 * 44_000,
            unverified="""that as many fakes stand against the over-sampled reals is concluded;
            patience, taken as 5; """
            + _END,
        ),
    )


def other_detectors() -> tuple[Row, ...]:
    """Returns rows of table 4: the detectors of Nataraj et al. and of Cozzolino et al.

    The first is of co-occurrence matrices, the second is ForensicTransfer.

    The paper compares with detectors that others had trained; it says on which generator's images,
    and that both look at 256 pixels, larger images being cropped in the centre (A.5).
    """
    plain = Augment(resize=256, crop=256, flip_probability=0.0)
    return (
        make_row(
            "nataraj",
            Config(
                data=Data(train_root="data/cyclegan", generator="cyclegan"),
                augment=plain,
                model=Model(name="cooccurrence", width=32),
                optim=Optim(schedule="constant", max_epochs=50),
            ),
            published=[_table4("Nataraj et al.")],
            unverified="""optimiser, rate, batch and epochs are assumed, and that nothing is
            augmented and the best epoch is scored; the scale of the matrices is ours""",
        ),
        make_row(
            "forensic_transfer",
            Config(
                data=Data(generator="progan"),
                augment=plain,
                model=Model(name="forensic_transfer", width=8),
                optim=Optim(learning_rate=1e-3, schedule="constant", max_epochs=50),
            ),
            published=[_table4("Cozzolino et al. ForensicTransfer")],
            unverified="""which of ProGAN's images it was trained on, those of ForenSynths here;
            rate, batch and epochs are assumed, and that nothing is augmented and the best epoch
            is scored; channels and strides are those of a third party's adaptation""",
        ),
    )


def protocols() -> tuple[Row, ...]:
    """Returns the row of tables 3, 5, 6, A.7 and figures 5 and A.1: further protocols."""
    setting = "Blur+JPEG (0.1)"
    rows = (
        ("table2", setting),
        ("table3", setting),
        *(("table5", f"{setting} / {how}") for how in ("Uncalibrated", "Oracle", "Two-shot")),
        ("table6", setting),
        *(
            ("appendixA.7", f"{setting} / {resized}, center crop 224")
            for resized in ("no resize", "resize 256")
        ),
    )
    return (
        make_row(
            "protocols",
            Config(
                task="eval",
                data=Data(generator="progan"),
                model=Model(name="resnet50", init="runs/wang_table2/20cls_blur_jpeg_0.1"),
                evaluation=Evaluation(
                    crop=224, protocols=("crop", "resize"), resize=256, two_shot=10,
                    blur_sigmas=(0.5, 1.0, 2.0, 3.0, 4.0), jpeg_qualities=(90, 75, 60, 45, 30),
                    scales=(0.5, 0.75, 1.5, 2.0), analyses=("spectra", "ranking", "lineup"),
                ),
            ),
            published=[f"wang2020; {table}; {name}; Wang et al." for table, name in rows],
            unverified="""how many pairs of images the two-shot thresholds are from, ten by ten
            here; the levels of blur and JPEG in figure 5 are read off it; the factors of resizing
            are ours; of the fourteen categories of table 6 the released test set has six""",
        ),
    )  # fmt: skip


def _table2(setting: str) -> str:
    return f"wang2020; table2; {setting}; Wang et al."


def _table4(setting: str) -> str:
    return f"wang2020; table4; {setting}; Wang et al."
