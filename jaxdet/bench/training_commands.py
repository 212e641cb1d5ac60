"""Defines what `python -m jaxdet.bench` measures of training: options, and the calls they make."""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

from jaxdet.bench.arguments import ARCHITECTURES, given_images, given_tower
from jaxdet.bench.pictures import write_pictures
from jaxdet.config import Model, Runtime, model
from jaxdet.datasets.pack.store_writer import pack
from jaxdet.errors import UserError
from jaxdet.ranges import SIDE, whole_number
from jaxdet.streams import answer
from jaxdet.workdir.files import check_apart

STEP = (
    "training steps on a batch that lies on the devices: the step of jaxdet.train beside the same "
    "with Flax's own layers (the reference), and PyTorch's where asked for"
)


def add_step(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench step`."""
    parser.add_argument(
        "--arch",
        choices=model.ARCHITECTURES,
        nargs="+",
        default=["resnet50"],
        metavar="NAME",
        help="detectors (default resnet50); those that are no ResNet have no row of Flax's layers",
    )
    _add_network(parser)
    parser.add_argument(
        "--batch-size",
        type=whole_number("[1, 1e6]"),
        nargs="+",
        default=[64],
        metavar="N",
        help="default 64",
    )
    parser.add_argument(
        "--reference",
        choices=("flax", "torch"),
        default="flax",
        help="torch: rows of PyTorch too, eager in float32 as published, and its fastest way",
    )
    parser.add_argument(
        "--accumulate",
        type=whole_number("[1, 1e6]"),
        default=1,
        metavar="N",
        help="parts of the batch that the row jaxdet works through one after another (default 1)",
    )
    parser.add_argument(
        "--rematerialise",
        action="store_true",
        help="the row jaxdet computes the maps of its blocks again for the gradient",
    )
    _add_turns(parser)


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    for flag, default, within, text in (
        ("width", 64, "[1, 1024]", "channels of the first layer"),
        ("size", 224, SIDE, "pixels a side"),
    ):
        shown = f"{text} (default {default})"
        parser.add_argument(
            f"--{flag}", type=whole_number(within), default=default, metavar="N", help=shown
        )


def _add_turns(parser: argparse.ArgumentParser) -> None:
    for flag, default, within, text in (
        ("steps", 10, "[1, 1e6]", "in a turn"),
        ("rounds", 3, "[1, 10000]", "turns of each row"),
    ):
        shown = f"{text} (default {default})"
        parser.add_argument(
            f"--{flag}", type=whole_number(within), default=default, metavar="N", help=shown
        )
    parser.add_argument(
        "--profile",
        type=Path,
        metavar="DIR",
        help="write traces of a few more steps there, for Perfetto or TensorBoard",
    )


def _profile(options: argparse.Namespace) -> Path | None:
    """Returns the folder of --profile, checked now: after the measurements would be too late.

    Raises:
      UserError: where it holds others' files or cannot be written.
    """
    folder: Path | None = options.profile
    if folder is None:
        return None
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"--profile={folder}: not an empty folder; name a new one")
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    except OSError as error:
        raise UserError(f"--profile={folder}: {error.strerror}") from None
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"--profile={folder}: {there} cannot be written")
    return folder


def step_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures and returns the rows of `bench step`."""
    from jaxdet.bench.step import StepPlan, measure_step
    from jaxdet.bench.stepper import Settings

    settings = Settings(
        way="jaxdet",
        width=options.width,
        size=options.size,
        dtype=options.dtype,
        accumulate=options.accumulate,
        rematerialise=options.rematerialise,
    )
    plan = StepPlan(
        settings=settings,
        archs=options.arch,
        batch_sizes=options.batch_size,
        torch=options.reference == "torch",
        steps=options.steps,
        rounds=options.rounds,
        profile=_profile(options),
    )
    return measure_step(plan, say=answer)


FEATURES = (
    "features of a frozen vision tower, random weights, of images that lie on the device, beside "
    "the same tower in PyTorch where asked for"
)


def add_features(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench features`."""
    parser.add_argument(
        "--tower",
        default="clip_l14",
        metavar="TOWER",
        help="as model.tower names it (default clip_l14)",
    )
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument(
        "--batch-size", type=whole_number("[1, 1e6]"), default=8, metavar="N", help="default 8"
    )
    parser.add_argument(
        "--reference",
        choices=("none", "torch"),
        default="none",
        help="torch: rows of PyTorch too, eager and compiled",
    )
    _add_turns(parser)


def features_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures and returns the rows of `bench features`.

    Raises:
      UserError: where there is no such tower, or PyTorch is asked for and has it not.
    """
    from jaxdet.bench.features import measure_features
    from jaxdet.bench.step import of_way
    from jaxdet.bench.stepper import Settings

    tower, torch = given_tower(options.tower), options.reference == "torch"
    settings = Settings(
        way="features",
        arch=tower.text,
        size=tower.size,
        batch_size=options.batch_size,
        dtype=options.dtype,
    )
    ways = ["features", *(["torch_features", "torch_features_fast"] if torch else [])]
    profile = _profile(options)
    return measure_features(
        [of_way(settings, way, profile) for way in ways],
        steps=options.steps,
        rounds=options.rounds,
        say=answer,
    )


E2E = (
    "the whole line, images with Blur+JPEG(0.5) to updates, beside the step alone (the reference) "
    "and the input alone"
)


def add_e2e(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench e2e`."""
    parser.add_argument("--arch", choices=ARCHITECTURES, default="resnet50")
    _add_network(parser)
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder or packed store with train/; 512 pictures, packed, where left out",
    )
    parser.add_argument(
        "--batch-size", type=whole_number("[1, 1e6]"), default=64, metavar="N", help="default 64"
    )
    parser.add_argument("--backend", choices=("faithful", "fast"), default="faithful")
    parser.add_argument(
        "--workers", type=whole_number("[-1, 1024]"), default=-1, metavar="N", help="-1: one a core"
    )
    parser.add_argument("--worker-kind", choices=("auto", "threads", "processes"), default="auto")
    parser.add_argument(
        "--reference",
        choices=("step", "torch"),
        default="step",
        help="torch: PyTorch's whole line too, eager in float32 with four loader processes, as "
        "published; --images is then a folder",
    )
    _add_turns(parser)


def e2e_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures and returns the rows of `bench e2e`."""
    from jaxdet.bench.e2e import LinePlan, measure_e2e
    from jaxdet.bench.step import check_torch

    torch = options.reference == "torch"
    given, profile = given_images(options), _profile(options)
    if given and profile:
        check_apart(profile, given, instead="--profile")
    if torch:
        check_torch([options.arch])
    if torch and given and not any((given / "train").glob("*")):
        raise UserError(f"--images={given}: --reference=torch reads a folder with train/ alone")
    with tempfile.TemporaryDirectory() as scratch:
        pictures = Path(scratch) / "pictures"
        plan = LinePlan(
            root=given or _packed(pictures),
            torch_root=(given or pictures) if torch else None,
            model=Model(name=options.arch, width=options.width, dtype=options.dtype),
            size=options.size,
            batch_size=options.batch_size,
            backend=options.backend,
            runtime=Runtime(workers=options.workers, worker_kind=options.worker_kind),
            steps=options.steps,
            rounds=options.rounds,
            profile=profile,
        )
        return measure_e2e(plan, say=answer)


def _packed(pictures: Path) -> Path:
    write_pictures(pictures, count=512)
    store = pictures.with_name("packed")
    pack(pictures, store, say=answer)
    return store
