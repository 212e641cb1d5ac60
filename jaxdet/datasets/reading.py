"""The flags by which a command is told how to read a table or a folder of another layout."""

import argparse

from jaxdet.config.schema import LAYOUTS
from jaxdet.data.table.columns import Reading


def add_reading_flags(parser: argparse.ArgumentParser) -> None:
    """Adds --columns, --labels and --layout, which mean what the options of `data` mean."""
    parser.add_argument(
        "--columns", default="", metavar="JSON", help="as --config.data.columns of a run"
    )
    parser.add_argument(
        "--labels", default="", metavar="JSON", help="as --config.data.labels of a run"
    )
    parser.add_argument(
        "--layout",
        default="auto",
        choices=("auto", *LAYOUTS),
        help="as --config.data.layout of a run (default auto)",
    )


def reading_of_flags(arguments: argparse.Namespace) -> Reading:
    """Returns what the flags say.

    Raises:
      UserError: naming the option that has another form.
    """
    return Reading.of(columns=arguments.columns, labels=arguments.labels, layout=arguments.layout)
