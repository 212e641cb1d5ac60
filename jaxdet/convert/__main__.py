"""Hands the command `python -m jaxdet.convert` over to `jaxdet.conversion`."""

from jaxdet.errors import guard_loading

if __name__ == "__main__":
    guard_loading()

import importlib
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the subcommand named in the arguments (None: of this process)."""
    # By name: nothing in this room imports conversion, which stands above it.
    importlib.import_module("jaxdet.conversion.command").main(arguments)


if __name__ == "__main__":
    main()
