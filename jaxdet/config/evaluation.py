"""Defines the options of `evaluation`: what is scored, how, and with which weights."""

import dataclasses

from jaxdet.config.augment import KERNELS
from jaxdet.config.fields import WANG, option
from jaxdet.ranges import SIDE

# What evaluation.protocols and evaluation.analyses may name.
PROTOCOLS = ("crop", "full", "resize", "five_crops", "ten_crops")
ANALYSES = ("spectra", "ranking", "lineup")
# The checkpoints of a run that may be asked for.
CHECKPOINTS = ("best", "best_of_last_phase", "latest")


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
        "what to do where a benchmark is not there, or cannot be read: stop; skip: score the "
        "others, and warn of it",
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
        "after resizing; five_crops: mean logit of corners and centre; ten_crops: also mirrored",
        source=f"crop: {WANG}; full: CNNDetection; resize: {WANG}, A.7",
    )
    resize: int = option(
        256,
        "shorter side of the protocol resize",
        unit="pixels",
        source=f"{WANG}, A.7",
        within=SIDE,
    )
    resize_kernel: str = option(
        "auto", "its kernel; auto: augment.resize_kernel", choices=("auto", *KERNELS)
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
        "images at the quartiles of their label's scores and the most mistaken, with "
        "activation maps; lineup, 20 real and 20 fake images drawn at random, by their score",
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
