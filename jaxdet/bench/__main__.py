"""`python -m jaxdet.bench input | eval | dip`: images per second, as a table and as JSON.

Ratios within one run are what counts: other work on the machine hits all rows alike.
"""

from jaxdet.errors import Parser, UserError, guard, guard_loading

if __name__ == "__main__":
    guard_loading()

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxdet.bench import input as bench_input
from jaxdet.bench.pictures import write_pictures
from jaxdet.config import Model
from jaxdet.files import check_writable, write_json
from jaxdet.runtime import environment


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures what the command line names, prints the rows and writes them."""
    parser = Parser(prog="python -m jaxdet.bench", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_input(subparsers.add_parser("input", help=_INPUT, description=_INPUT))
    _add_eval(subparsers.add_parser("eval", help=_EVAL, description=_EVAL))
    _add_dip(subparsers.add_parser("dip", help=_DIP, description=_DIP))
    with guard():
        options = parser.parse_args(arguments)
        check_writable(options.json)
        # The commit and the time are those of the start.
        facts = environment.describe()
        rows = options.measure(options)
        print(_table(rows))
        if options.json:
            write_json(options.json, {**facts, "options": _plain(options), "rows": rows})


_INPUT = (
    "the input pipeline: folder, packed and ArrayRecord sources, both back-ends, beside a loader "
    "that does the published work the published way, on the same images and cores"
)


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(measure=_measure_input)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the rows as JSON")
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
_EVAL = (
    "evaluation: whole images of mixed sizes and of one, and centre crops, each beside the "
    "published way with the same network (whole images one at a time, four loader processes), from "
    "the first image on and with everything compiled before; about five minutes on two cores"
)


def _add_eval(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(measure=_measure_eval)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the rows as JSON")
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
        return measure_evaluation(plan, say=lambda line: print(line, flush=True))


_DIP = (
    "deep image priors: updates of many networks at once, beside the same one network after the "
    "other; an image is one update of one image's network"
)


def _add_dip(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(measure=_measure_dip)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the rows as JSON")
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
    return measure_prior(plan, say=lambda line: print(line, flush=True))


def _even(text: str) -> int:
    count = _positive(text)
    if count % 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no even number")
    return count


def _measure_input(options: argparse.Namespace) -> list[dict[str, Any]]:
    if options.images is not None and not options.images.is_dir():
        raise UserError(f"--images={options.images}: no such folder")
    with tempfile.TemporaryDirectory() as scratch:
        root = options.images
        if root is None:
            root = Path(scratch) / "pictures"
            write_pictures(root, count=512)
        plan = bench_input.Plan(
            root=root,
            scratch=Path(scratch),
            batch_size=options.batch_size,
            seconds=options.seconds,
            rounds=options.rounds,
            settings=bench_input.default_settings(),
        )
        return bench_input.measure_input(plan, say=lambda line: print(line, flush=True))


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return int(text)


def _plain(options: argparse.Namespace) -> dict[str, Any]:
    return {
        key: str(value) for key, value in vars(options).items() if key not in ("json", "measure")
    }


def _table(rows: Sequence[dict[str, Any]]) -> str:
    width = max(len(row["what"]) for row in rows)
    lines = [f"{'row':<{width}}  times the reference  images/s  workers"]
    for row in rows:
        speed = row["images_per_second"]
        lines.append(
            f"{row['what']:<{width}}  {row['ratio_to_reference']:>19.2f}"
            f"  {speed:>8,.{0 if speed > 100 else 1}f}  {row.get('workers', '')}".rstrip()
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
