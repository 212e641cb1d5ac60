"""`python -m jaxdet.bench COMMAND`: measures images per second, as a table and as JSON.

Ratios within one run are what counts: other work on the machine hits all rows alike.
"""

from jaxdet.errors import Parser, guard, guard_loading

if __name__ == "__main__":
    guard_loading()

import argparse
import os
from collections.abc import Sequence
from typing import Any

import jax

from jaxdet.bench.commands import add_commands
from jaxdet.runtime import environment
from jaxdet.runtime.memory import keep_freed_memory
from jaxdet.streams import printable, show
from jaxdet.workdir.files import check_writable, write_json

# What an earlier result begins with.
JSON = r'\{\n  "options": \{'
# They compute in this process, in the way of the commands that they measure.
_AS_COMMANDS = ("e2e", "eval", "onnx")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures what the command line names, prints the rows and writes them."""
    parser = Parser(prog="python -m jaxdet.bench", description=__doc__)
    parser.set_defaults(table=_table)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_commands(subparsers)
    with guard():
        options = parser.parse_args(arguments)
        check_writable((options.json, JSON))
        # Processes of their own train on the same accelerator, and each would take most of it.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        if options.command == "roofline":
            # The card is a description: this machine's own, and the CUDA it needs, are left alone.
            jax.config.update("jax_platforms", "cpu")
        if options.command in _AS_COMMANDS:
            keep_freed_memory()
        # The commit and the time are those of the start.
        facts = environment.describe()
        rows = options.measure(options)
        show(options.table(rows))
        if options.json:
            write_json(options.json, {"options": _plain(options), **facts, "rows": rows})


def _plain(options: argparse.Namespace) -> dict[str, Any]:
    return {
        key: str(value)
        for key, value in vars(options).items()
        if key not in ("json", "measure", "table")
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
    return "\n".join(map(printable, lines))


if __name__ == "__main__":
    main()
