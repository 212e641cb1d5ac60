"""What `python -m jaxdet.bench` measures: each command's options, and the call they make."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxdet.bench import input as bench_input
from jaxdet.bench.pictures import write_pictures
from jaxdet.config import Model, Runtime
from jaxdet.data.store.pack import pack
from jaxdet.errors import UserError

# Options to rows.
Measure = Callable[[argparse.Namespace], list[dict[str, Any]]]


def add_commands(subparsers: Any) -> None:
    """Adds every command to those of a parser; `measure` in the options makes its rows."""
    for name, text, add, measure in (
        ("input", _INPUT, _add_input, _measure_input),
        ("step", _STEP, _add_step, _measure_step),
        ("e2e", _E2E, _add_e2e, _measure_e2e),
        ("eval", _EVAL, _add_eval, _measure_eval),
        ("dip", _DIP, _add_dip, _measure_dip),
    ):
        parser = subparsers.add_parser(name, help=text, description=text)
        parser.add_argument("--json", type=Path, metavar="OUT", help="write the rows as JSON")
        parser.set_defaults(measure=measure)
        add(parser)


_INPUT = (
    "the input pipeline: folder, packed and ArrayRecord sources, both back-ends, beside a loader "
    "that does the published work the published way, on the same images and cores"
)


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder with train/ of images of 224 pixels or more; 1024 crops of photographs of "
        "256 pixels where left out",
    )
    parser.add_argument("--batch-size", type=_positive, default=64, metavar="N")
    parser.add_argument(
        "--seconds", type=_positive, default=3, metavar="N", help="of each measurement (default 3)"
    )
    parser.add_argument(
        "--rounds", type=_positive, default=5, metavar="N", help="turns of each row (default 5)"
    )


_ARCHITECTURES = ("resnet18", "resnet34", "resnet50")

_STEP = (
    "training steps on a batch that lies on the devices: the step of jaxdet.train beside the same "
    "with Flax's own layers (the reference), and PyTorch's where asked for"
)


def _add_step(parser: argparse.ArgumentParser) -> None:
    _add_network(parser)
    parser.add_argument(
        "--batch-size", type=_positive, nargs="+", default=[64], metavar="N", help="default 64"
    )
    parser.add_argument(
        "--reference", choices=("flax", "torch"), default="flax",
        help="torch: rows of PyTorch too, eager in float32 as published, and its fastest way",
    )  # fmt: skip
    _add_turns(parser)


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--arch", choices=_ARCHITECTURES, default="resnet50")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    for flag, default, text in (
        ("width", 64, "channels of the first layer"), ("size", 224, "pixels a side"),
    ):  # fmt: skip
        told = f"{text} (default {default})"
        parser.add_argument(f"--{flag}", type=_positive, default=default, metavar="N", help=told)


def _add_turns(parser: argparse.ArgumentParser) -> None:
    for flag, default, text in (
        ("steps", 10, "in a turn"), ("rounds", 3, "turns of each row"),
    ):  # fmt: skip
        told = f"{text} (default {default})"
        parser.add_argument(f"--{flag}", type=_positive, default=default, metavar="N", help=told)


def _measure_step(options: argparse.Namespace) -> list[dict[str, Any]]:
    from jaxdet.bench.step import Plan, measure_step
    from jaxdet.bench.stepper import Settings

    settings = Settings(
        way="jaxdet", arch=options.arch, width=options.width, size=options.size,
        dtype=options.dtype,
    )  # fmt: skip
    plan = Plan(
        settings=settings,
        batch_sizes=options.batch_size,
        torch=options.reference == "torch",
        steps=options.steps,
        rounds=options.rounds,
    )
    return measure_step(plan, say=_say)


_E2E = (
    "the whole line, images with Blur+JPEG(0.5) to updates, beside the step alone (the reference) "
    "and the input alone"
)


def _add_e2e(parser: argparse.ArgumentParser) -> None:
    _add_network(parser)
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder or packed store with train/; 512 pictures, packed, where left out",
    )
    parser.add_argument("--batch-size", type=_positive, default=64, metavar="N", help="default 64")
    parser.add_argument("--backend", choices=("faithful", "fast"), default="faithful")
    parser.add_argument("--workers", type=int, default=-1, metavar="N", help="-1: one a core")
    parser.add_argument("--worker-kind", choices=("auto", "threads", "processes"), default="auto")
    _add_turns(parser)


def _measure_e2e(options: argparse.Namespace) -> list[dict[str, Any]]:
    from jaxdet.bench.e2e import Plan, measure_e2e

    with tempfile.TemporaryDirectory() as scratch:
        plan = Plan(
            root=_images(options) or _packed_pictures(Path(scratch)),
            model=Model(name=options.arch, width=options.width, dtype=options.dtype),
            size=options.size,
            batch_size=options.batch_size,
            backend=options.backend,
            runtime=Runtime(workers=options.workers, worker_kind=options.worker_kind),
            steps=options.steps,
            rounds=options.rounds,
        )
        return measure_e2e(plan, say=_say)


def _packed_pictures(scratch: Path) -> Path:
    write_pictures(scratch / "pictures", count=512)
    pack(scratch / "pictures", scratch / "packed", say=_say)
    return scratch / "packed"


_EVAL = (
    "evaluation: whole images of mixed sizes and of one, and centre crops, each beside the "
    "published way with the same network (whole images one at a time, four loader processes), from "
    "the first image on and with everything compiled before; about five minutes on two cores"
)


def _add_eval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images", type=_even, default=64, metavar="N", help="in each set (default 64)"
    )
    parser.add_argument("--batch-size", type=_positive, default=32, metavar="N", help="of crops")
    parser.add_argument(
        "--rounds", type=_positive, default=3, metavar="N", help="turns of each row (default 3)"
    )
    parser.add_argument("--arch", choices=_ARCHITECTURES, default="resnet50")


def _measure_eval(options: argparse.Namespace) -> list[dict[str, Any]]:
    # JAX is not needed to measure the input.
    from jaxdet.bench.evaluation import Plan, measure_evaluation

    with tempfile.TemporaryDirectory() as scratch:
        plan = Plan(
            scratch=Path(scratch),
            images=options.images,
            batch_size=options.batch_size,
            rounds=options.rounds,
            model=Model(name=options.arch),
        )
        return measure_evaluation(plan, say=_say)


_DIP = (
    "deep image priors: updates of many networks at once, beside the same one network after the "
    "other; an image is one update of one image's network"
)


def _add_dip(parser: argparse.ArgumentParser) -> None:
    for flag, default, text in (
        ("size", 128, "pixels a side"),
        ("width", 128, "channels"),
        ("levels", 5, "halvings"),
        ("at-once", 8, "networks"),
        ("updates", 10, "of each network in a turn"),
        ("rounds", 3, "turns of each row"),
    ):
        told = f"{text} (default {default})"
        parser.add_argument(f"--{flag}", type=_positive, default=default, metavar="N", help=told)


def _measure_dip(options: argparse.Namespace) -> list[dict[str, Any]]:
    from jaxdet.bench.prior import Plan, measure_prior
    from jaxdet.generators.dip import DipSettings

    settings = DipSettings(
        size=options.size, width=options.width, levels=options.levels, at_once=options.at_once
    )
    plan = Plan(settings=settings, updates=options.updates, rounds=options.rounds)
    return measure_prior(plan, say=_say)


def _even(text: str) -> int:
    count = _positive(text)
    if count % 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no even number")
    return count


def _measure_input(options: argparse.Namespace) -> list[dict[str, Any]]:
    given = _images(options)
    with tempfile.TemporaryDirectory() as scratch:
        root = given or Path(scratch) / "pictures"
        if given is None:
            write_pictures(root, count=512)
        plan = bench_input.Plan(
            root=root,
            scratch=Path(scratch),
            batch_size=options.batch_size,
            seconds=options.seconds,
            rounds=options.rounds,
            settings=bench_input.default_settings(),
        )
        return bench_input.measure_input(plan, say=_say)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return int(text)


def _images(options: argparse.Namespace) -> Path | None:
    given: Path | None = options.images
    if given is not None and not given.is_dir():
        raise UserError(f"--images={given}: no such folder")
    return given


def _say(line: str) -> None:
    print(line, flush=True)
