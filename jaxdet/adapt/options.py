"""Defines the options of `python -m jaxdet.adapt`."""

import argparse
from pathlib import Path

from jaxdet.errors import Parser
from jaxdet.predict.options import add_weights
from jaxdet.ranges import number


def get_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = Parser(
        prog="python -m jaxdet.adapt",
        description="Adapts a detector to a new generator by 5 to 1000 images of it and as many "
        "real ones: a new threshold or a new last layer, chosen out of fold, checked on old "
        "generators, and written as a folder of its own. W stays as it is.",
    )
    add_weights(parser)
    _add_images(parser)
    parser.add_argument(
        "--check",
        metavar="DATA",
        help="data root of old generators: its test sets must not lose, and its val/ is learned "
        "from, too (default: the data of the run that the weights come from); none: nothing is "
        "checked",
    )
    parser.add_argument(
        "--loss",
        type=number("[0, 1]"),
        default=0.02,
        metavar="X",
        help="balanced accuracy or AP that an old generator may lose; where one loses more, "
        "nothing is written (default %(default)s)",
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER", help="where the new weights go"
    )
    return parser


def _add_images(parser: argparse.ArgumentParser) -> None:
    for label, what in (("real", "real images"), ("fake", "images of the new generator")):
        parser.add_argument(
            f"--{label}", required=True, type=Path, metavar="DIR", help=f"folder of {what}"
        )
    for label in ("real", "fake"):
        parser.add_argument(
            f"--test-{label}",
            type=Path,
            metavar="DIR",
            help=f"folder of further {label} ones, to measure the new generator on (where left "
            "out, it is measured out of fold)",
        )
