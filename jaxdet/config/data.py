"""Defines the options of `data`: the images and which of them are used."""

import dataclasses

from jaxdet.config.fields import FRANK, WANG, XUAN, option
from jaxdet.ranges import AREA

# What data.layout may name; jaxdet/data/table/layouts.py describes them.
LAYOUTS = (
    "forensynths", "genimage", "real_fake", "univfd", "drct", "synthbuster", "shared_real",
    "fake_only", "real_only",
)  # fmt: skip


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
    negatives: str = option(
        "",
        "folder or table of further real images to train on, hard negatives such as those that a "
        "detector calls fake; every image in it counts as real. Empty: none",
    )
    negatives_weight: int = option(
        1,
        "how often each of data.negatives comes in an epoch, augmented anew each time",
        within="[1, 1000]",
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
