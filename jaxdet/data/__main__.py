"""The command `python -m jaxdet.data`: makes datasets and looks after them."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from jaxdet.data.audit import command as audit
from jaxdet.data.fetch import command as fetch
from jaxdet.data.store import command as pack
from jaxdet.data.verify import command as verify
from jaxdet.errors import Parser, guard


@dataclass(frozen=True)
class Command:
    """One subcommand: a line of help, its flags, and what it does."""

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


def add_synth_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `synth`; those left out have the defaults of SynthSettings."""
    left_out = argparse.SUPPRESS
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="where to make it")
    parser.add_argument(
        "--photos", default=left_out, metavar="DIR", help="your own photographs, at least 6"
    )
    for flag, text in SYNTH_NUMBERS.items():
        parser.add_argument(f"--{flag}", type=int, default=left_out, metavar="N", help=text)


def run_synth(arguments: argparse.Namespace) -> None:
    """Makes the built-in dataset."""
    # Imported here because the rest of jaxdet.data must start without JAX.
    import jax

    from jaxdet.generators.synth import SynthSettings, synthesise

    # The same images with and without an accelerator, and none of its memory taken.
    jax.config.update("jax_platforms", "cpu")
    given = {k: v for k, v in vars(arguments).items() if k not in ("command", "root")}
    if "photos" in given:
        given["photos"] = str(Path(given["photos"]).expanduser().resolve())
    synthesise(arguments.root, settings=SynthSettings(**given), say=_say)


def _say(line: str) -> None:
    print(line, flush=True)


SYNTH_NUMBERS: Mapping[str, str] = MappingProxyType(
    {
        "seed": "everything is a function of it (default 0)",
        "size": "pixels a side, a multiple of 4 (default 72)",
        "train-images": "per label (default 1200)",
        "val-images": "per label (default 200)",
        "test-images": "per label and generator (default 200)",
        "steps": "updates per round of a generator's training (default 300)",
    }
)
COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "fetch": Command(help=fetch.HELP, add_flags=fetch.add_flags, run=fetch.run),
        "verify": Command(help=verify.HELP, add_flags=verify.add_flags, run=verify.run),
        "pack": Command(help=pack.HELP, add_flags=pack.add_flags, run=pack.run),
        "synth": Command(
            help="make the built-in dataset: photographs, and what small CNNs make of them",
            add_flags=add_synth_flags,
            run=run_synth,
        ),
        "audit": Command(
            help="find what besides the pixels tells real from fake, broken files and duplicates",
            add_flags=audit.add_flags,
            run=audit.run,
        ),
    }
)

if __name__ == "__main__":
    main()
