"""What `python -m jaxdet.bench` measures of training, and what it reckons from that."""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

from jaxdet.bench.arguments import ARCHITECTURES, given_images
from jaxdet.bench.pictures import write_pictures
from jaxdet.config import Model, Runtime, schema
from jaxdet.datasets.pack.store_writer import pack
from jaxdet.errors import UserError
from jaxdet.ranges import COUNT, SIDE, number, whole_number
from jaxdet.streams import answer
from jaxdet.workdir.files import check_apart

_BOUNDLESS = float("inf")

STEP = (
    "training steps on a batch that lies on the devices: the step of jaxdet.train beside the same "
    "with Flax's own layers (the reference), and PyTorch's where asked for"
)


def add_step(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench step`."""
    parser.add_argument(
        "--arch", choices=schema.ARCHITECTURES, nargs="+", default=["resnet50"], metavar="NAME",
        help="detectors (default resnet50); those that are no ResNet have no row of Flax's layers",
    )  # fmt: skip
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
        "--reference", choices=("flax", "torch"), default="flax",
        help="torch: rows of PyTorch too, eager in float32 as published, and its fastest way",
    )  # fmt: skip
    parser.add_argument(
        "--accumulate", type=whole_number("[1, 1e6]"), default=1, metavar="N",
        help="parts of the batch that the row jaxdet works through one after another (default 1)",
    )  # fmt: skip
    parser.add_argument(
        "--rematerialise", action="store_true",
        help="the row jaxdet computes the maps of its blocks again for the gradient",
    )  # fmt: skip
    _add_turns(parser)


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    for flag, default, within, text in (
        ("width", 64, "[1, 1024]", "channels of the first layer"),
        ("size", 224, SIDE, "pixels a side"),
    ):  # fmt: skip
        told = f"{text} (default {default})"
        parser.add_argument(
            f"--{flag}", type=whole_number(within), default=default, metavar="N", help=told
        )


def _add_turns(parser: argparse.ArgumentParser) -> None:
    for flag, default, within, text in (
        ("steps", 10, "[1, 1e6]", "in a turn"), ("rounds", 3, "[1, 10000]", "turns of each row"),
    ):  # fmt: skip
        told = f"{text} (default {default})"
        parser.add_argument(
            f"--{flag}", type=whole_number(within), default=default, metavar="N", help=told
        )
    parser.add_argument(
        "--profile", type=Path, metavar="DIR",
        help="write traces of a few more steps there, for Perfetto or TensorBoard",
    )  # fmt: skip


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
    from jaxdet.bench.step import Plan, measure_step
    from jaxdet.bench.stepper import Settings

    settings = Settings(
        way="jaxdet", width=options.width, size=options.size, dtype=options.dtype,
        accumulate=options.accumulate, rematerialise=options.rematerialise,
    )  # fmt: skip
    plan = Plan(
        settings=settings,
        archs=options.arch,
        batch_sizes=options.batch_size,
        torch=options.reference == "torch",
        steps=options.steps,
        rounds=options.rounds,
        profile=_profile(options),
    )
    return measure_step(plan, say=answer)


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
        "--reference", choices=("step", "torch"), default="step",
        help="torch: PyTorch's whole line too, eager in float32 with four loader processes, as "
        "published; --images is then a folder",
    )  # fmt: skip
    _add_turns(parser)


def e2e_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures and returns the rows of `bench e2e`."""
    from jaxdet.bench.e2e import Plan, measure_e2e
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
        plan = Plan(
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


SCALING = (
    "no measurement: hours and cost of a run on 1 to 512 devices, reckoned from speeds that were "
    "measured; see docs/scaling.md"
)


def add_scaling(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench scaling`."""
    for flag, default, text in (
        ("images", 720_000, "of training"), ("epochs", 20, "passes over them"),
        ("validation", 8_000, "images scored after each epoch"),
        ("test", 90_000, "images scored at the end"),
        ("batch-size", 512, "images a step over all devices"),
    ):  # fmt: skip
        told = f"{text} (default {default})"
        parser.add_argument(
            f"--{flag}", type=whole_number(COUNT), default=default, metavar="N", help=told
        )
    for flag, standard, text in (
        ("parameters", 23.5e6, "of the network"),
        ("step-rate", None, "images/s that one device trains on: bench step"),
        ("input-rate", None, "images/s of one host's input: bench input"),
        ("eval-rate", _BOUNDLESS, "images/s that one device scores: bench eval"),
        ("link", _BOUNDLESS, "bytes/s between two devices"),
        ("disk", _BOUNDLESS, "bytes/s that checkpoints are written with"),
        ("price", 0.0, "of one device for an hour"),
    ):  # fmt: skip
        told = text if standard in (None, _BOUNDLESS) else f"{text} (default {standard:g})"
        within = "[0, 1e30]" if flag == "price" else "(0, 1e30]"
        parser.add_argument(
            f"--{flag}", type=number(within), default=standard, required=standard is None,
            metavar="X", help=told,
        )  # fmt: skip
    parser.add_argument("--devices-per-host", type=whole_number("[1, 1e6]"), default=8, metavar="N")
    parser.add_argument(
        "--shared-cores", action="store_true", help="steps and input on the same CPU cores"
    )
    parser.add_argument(
        "--devices",
        type=whole_number("[1, 1e6]"),
        nargs="+",
        default=[1, 8, 16, 64, 128, 512],
        metavar="N",
    )


def scaling_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Returns the rows of `bench scaling`, and prints each in words too."""
    from jaxdet.bench.scaling import Machine, Run, rows

    if options.images < options.batch_size:
        raise UserError(f"--images={options.images}: less than --batch-size={options.batch_size}")
    uneven = [n for n in options.devices if options.batch_size % n]
    if uneven:
        raise UserError(f"--devices={uneven[0]} does not divide --batch-size={options.batch_size}")
    run = Run(
        images=options.images, epochs=options.epochs, validation=options.validation,
        test=options.test, batch_size=options.batch_size, gradient_bytes=4 * options.parameters,
        checkpoint_bytes=12 * options.parameters,
    )  # fmt: skip
    machine = Machine(
        step_rate=options.step_rate, input_rate=options.input_rate, eval_rate=options.eval_rate,
        link=options.link, disk=options.disk, price=options.price,
        devices_per_host=options.devices_per_host, shared_cores=options.shared_cores,
    )  # fmt: skip
    found = rows(run, machine, options.devices)
    for row in found:
        answer(
            f"{row['what']}: {row['hours']:.2f} h, cost {row['cost']:.2f}, limited by "
            f"{row['limit']}, {row['waiting']:.0%} of a step waiting for input"
        )
    return found
