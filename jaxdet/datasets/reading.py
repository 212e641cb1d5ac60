"""Defines the flags by which a command reads a table or a folder of another layout."""

import argparse

from jaxdet.config.data import LAYOUTS
from jaxdet.data.table.columns import Reading


def add_reading_flags(parser: argparse.ArgumentParser) -> None:
    """Adds --columns, --labels and --layout, which mean what the options of `data` mean.

    They have those options' names as well, for it is by these that errors call them.
    """
    for name, more in (
        ("columns", {"default": "", "metavar": "JSON"}),
        ("labels", {"default": "", "metavar": "JSON"}),
        ("layout", {"default": "auto", "choices": ("auto", *LAYOUTS)}),
    ):
        option = f"--config.data.{name}"
        parser.add_argument(f"--{name}", option, dest=name, help=f"as {option} of a run", **more)


def reading_of_flags(arguments: argparse.Namespace) -> Reading:
    """Returns what the flags say.

    Raises:
      UserError: naming the option that has another form.
    """
    return Reading.of(columns=arguments.columns, labels=arguments.labels, layout=arguments.layout)
