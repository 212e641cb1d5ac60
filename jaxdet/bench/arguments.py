"""Values of options that several benchmarks take."""

import argparse
import math
from pathlib import Path

from jaxdet.errors import UserError

# The networks whose layers can be Flax's own.
ARCHITECTURES = ("resnet18", "resnet34", "resnet50")


def positive(text: str) -> int:
    """A whole number from 1 up."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return int(text)


def given_images(options: argparse.Namespace) -> Path | None:
    """The folder of --images, None where it is left out.

    Raises:
      UserError: where it is not there.
    """
    given: Path | None = options.images
    if given is not None and not given.is_dir():
        raise UserError(f"--images={given}: no such folder")
    return given


def rate(text: str) -> float:
    """A finite number from 0 up."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 up")
    return value
