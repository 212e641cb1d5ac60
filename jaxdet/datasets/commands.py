"""Makes datasets and looks after them: the command `python -m jaxdet.data`."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from jaxdet.datasets.audit import command as audit
from jaxdet.datasets.index import command as index
from jaxdet.datasets.makers import command as synth  # starts without JAX
from jaxdet.datasets.pack import command as pack
from jaxdet.datasets.splits import command as splits
from jaxdet.datasets.verify import command as verify
from jaxdet.errors import Parser, guard
from jaxdet.fetch import command as fetch


@dataclass(frozen=True)
class Command:
    """Describes one subcommand: a line of help, its flags, and what it does."""

    help: str
    add_flags: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the subcommand named in the arguments (None: of this process)."""
    parser = Parser(prog="python -m jaxdet.data", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        sub = subparsers.add_parser(name, help=command.help, description=command.help)
        command.add_flags(sub)
    with guard():
        arguments = parser.parse_args(argv)
        COMMANDS[arguments.command].run(arguments)


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "fetch": Command(help=fetch.HELP, add_flags=fetch.add_flags, run=fetch.run),
        "verify": Command(help=verify.HELP, add_flags=verify.add_flags, run=verify.run),
        "index": Command(help=index.HELP, add_flags=index.add_flags, run=index.run),
        "splits": Command(help=splits.HELP, add_flags=splits.add_flags, run=splits.run),
        "pack": Command(help=pack.HELP, add_flags=pack.add_flags, run=pack.run),
        "synth": Command(help=synth.HELP, add_flags=synth.add_flags, run=synth.run),
        "audit": Command(
            help="find what besides the pixels tells real from fake, broken files and duplicates",
            add_flags=audit.add_flags,
            run=audit.run,
        ),
    }
)
