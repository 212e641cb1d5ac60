"""Reads the values of options that several benchmarks take."""

import argparse
from pathlib import Path

from jaxdet.errors import UserError
from jaxdet.models.towers import Tower, read_tower
from jaxdet.workdir.files import check_folder

# The networks whose layers can be Flax's own.
ARCHITECTURES = ("resnet18", "resnet34", "resnet50")


def given_images(options: argparse.Namespace) -> Path | None:
    """Returns the folder of --images, None where it is left out.

    Raises:
      UserError: where it is not there.
    """
    given: Path | None = options.images
    if given is not None:
        check_folder(given, option="--images=")
    return given


def given_tower(text: str) -> Tower:
    """Returns the tower of --tower.

    Raises:
      UserError: where there is no such tower.
    """
    try:
        return read_tower(text)
    except UserError as error:
        raise UserError(f"--tower: {str(error).removeprefix('model.tower: ')}") from None
