"""Hands the command `python -m jaxdet.data` over to `jaxdet.datasets`."""

from jaxdet.errors import guard_loading

if __name__ == "__main__":
    guard_loading()

import importlib
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the subcommand named in the arguments (None: of this process)."""
    # By name: nothing in this room imports datasets, which stands above it.
    importlib.import_module("jaxdet.datasets.commands").main(argv)


if __name__ == "__main__":
    main()
