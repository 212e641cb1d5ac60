"""Defines what `python -m jaxdet.bench` measures: each command's options, and its call."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxdet.bench import input as bench_input
from jaxdet.bench import training_commands as training
from jaxdet.bench.arguments import ARCHITECTURES, given_images, given_tower
from jaxdet.bench.pictures import write_pictures
from jaxdet.bench.roofline_command import ROOFLINE, add_roofline, roofline_rows
from jaxdet.bench.scaling import SCALING, add_scaling, scaling_rows
from jaxdet.config import Model, model
from jaxdet.convert.onnx import VARIANTS
from jaxdet.ranges import SIDE, whole_number
from jaxdet.streams import answer

# Options to rows.
Measure = Callable[[argparse.Namespace], list[dict[str, Any]]]


def add_commands(subparsers: Any) -> None:
    """Adds every command to those of a parser; `measure` in the options makes its rows."""
    for name, text, add, measure in (
        ("input", _INPUT, _add_input, _measure_input),
        ("step", training.STEP, training.add_step, training.step_rows),
        ("features", training.FEATURES, training.add_features, training.features_rows),
        ("e2e", training.E2E, training.add_e2e, training.e2e_rows),
        ("eval", _EVAL, _add_eval, _measure_eval),
        ("onnx", _ONNX, _add_onnx, _measure_onnx),
        ("scaling", SCALING, add_scaling, scaling_rows),
        ("roofline", ROOFLINE, add_roofline, roofline_rows),
    ):
        parser = subparsers.add_parser(name, help=text, description=text)
        parser.add_argument("--json", type=Path, metavar="OUT", help="write the rows as JSON")
        parser.set_defaults(measure=measure)
        add(parser)


_INPUT = (
    "the input pipeline: folder, packed and ArrayRecord sources, both back-ends, and a Parquet "
    "table, beside a loader that does the published work the published way, on the same images and "
    "cores; of PNG and of JPEG of mixed sizes; minutes"
)


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder with train/ of images of 224 pixels or more; 1024 crops of photographs of "
        "256 pixels where left out",
    )
    parser.add_argument("--batch-size", type=whole_number("[1, 1e6]"), default=64, metavar="N")
    parser.add_argument(
        "--seconds",
        type=whole_number("[1, 86400]"),
        default=3,
        metavar="N",
        help="of each measurement (default 3)",
    )
    parser.add_argument(
        "--rounds",
        type=whole_number("[1, 10000]"),
        default=3,
        metavar="N",
        help="turns of each row (default 3)",
    )


_EVAL = (
    "evaluation: whole images of mixed sizes and of one, and centre crops, each beside the "
    "published way with the same network (whole images one at a time, four loader processes), from "
    "the first image on and with everything compiled before; about five minutes on two cores"
)


def _add_eval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images", type=_even, default=64, metavar="N", help="in each set (default 64)"
    )
    parser.add_argument(
        "--batch-size", type=whole_number("[1, 1e6]"), default=32, metavar="N", help="of crops"
    )
    parser.add_argument(
        "--rounds",
        type=whole_number("[1, 10000]"),
        default=3,
        metavar="N",
        help="turns of each row (default 3)",
    )
    parser.add_argument("--arch", choices=ARCHITECTURES, default="resnet50")


def _measure_eval(options: argparse.Namespace) -> list[dict[str, Any]]:
    # JAX is not needed to measure the input.
    from jaxdet.bench.evaluation import EvaluationPlan, measure_evaluation

    with tempfile.TemporaryDirectory() as scratch:
        plan = EvaluationPlan(
            scratch=Path(scratch),
            images=options.images,
            batch_size=options.batch_size,
            rounds=options.rounds,
            model=Model(name=options.arch),
        )
        return measure_evaluation(plan, say=answer)


_ONNX = (
    "scoring by onnxruntime beside JAX (the reference), both on the CPU: detectors at random "
    "weights, pixels in memory, everything compiled before"
)


def _add_onnx(parser: argparse.ArgumentParser) -> None:
    for flag, choices, default, text in (
        ("arch", model.ARCHITECTURES, "resnet50", "detectors"),
        ("variant", VARIANTS, VARIANTS[0], "forms of the ONNX file"),
    ):
        parser.add_argument(
            f"--{flag}",
            choices=choices,
            nargs="+",
            default=[default],
            metavar="NAME",
            help=f"{text} (default {default})",
        )
    parser.add_argument(
        "--tower",
        default=Model.tower,
        metavar="NAME",
        help="of those that have one (default %(default)s)",
    )
    parser.add_argument(
        "--batch-size",
        type=whole_number("[1, 1e6]"),
        nargs="+",
        default=[1, 32],
        metavar="N",
        help="default 1 32",
    )
    for flag, number, within, text in (
        ("size", 224, SIDE, "pixels a side"),
        ("images", 64, "[1, 1e6]", "in a turn, at least"),
        ("rounds", 3, "[1, 10000]", "turns of each row"),
    ):
        parser.add_argument(
            f"--{flag}",
            type=whole_number(within),
            default=number,
            metavar="N",
            help=f"{text} (default {number})",
        )


def _measure_onnx(options: argparse.Namespace) -> list[dict[str, Any]]:
    from jaxdet.bench.onnx import OnnxPlan, measure_onnx

    tower = given_tower(options.tower).text
    with tempfile.TemporaryDirectory() as scratch:
        plan = OnnxPlan(
            scratch=Path(scratch),
            models=[Model(name=name, tower=tower) for name in dict.fromkeys(options.arch)],
            variants=tuple(dict.fromkeys(options.variant)),
            size=options.size,
            batch_sizes=options.batch_size,
            images=options.images,
            rounds=options.rounds,
        )
        return measure_onnx(plan, say=answer)


def _even(text: str) -> int:
    count = whole_number("[2, 1e6]")(text)
    if count % 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no even number")
    return count


def _measure_input(options: argparse.Namespace) -> list[dict[str, Any]]:
    given = given_images(options)
    with tempfile.TemporaryDirectory() as scratch:
        root = given or Path(scratch) / "pictures"
        if given is None:
            write_pictures(root, count=512)
        plan = bench_input.InputPlan(
            root=root,
            scratch=Path(scratch),
            batch_size=options.batch_size,
            seconds=options.seconds,
            rounds=options.rounds,
            settings=bench_input.default_settings(),
        )
        return bench_input.measure_input(plan, say=answer)
