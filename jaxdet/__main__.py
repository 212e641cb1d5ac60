"""Runs each command of the project by one name, `jaxdet COMMAND ...` or `python -m jaxdet ...`."""

from jaxdet.errors import UserError, guard, guard_loading

if __name__ == "__main__":
    guard_loading()

import runpy
import sys
from types import MappingProxyType

import jaxdet
from jaxdet.streams import show

# The module that each command runs, and what it does.
_COMMANDS = MappingProxyType(
    {
        "train": ("jaxdet.main", "train and evaluate a detector as a config says"),
        "predict": ("jaxdet.predict", "score images with a trained detector"),
        "serve": ("jaxdet.serve", "answer for images over HTTP, with a page"),
        "adapt": ("jaxdet.adapt", "teach a detector a new generator by a few of its images"),
        "data": ("jaxdet.data", "fetch, make, check, audit and pack datasets"),
        "convert": ("jaxdet.convert", "bring weights in and out"),
        "hub": ("jaxdet.hub", "share detectors, and get those that others share"),
        "report": ("jaxdet.report", "put runs beside one another on a page"),
        "replay": ("jaxdet.train.replay", "repeat a training step that was not finite"),
        "bench": ("jaxdet.bench", "measure speeds beside a reference in one run"),
    }
)


def main() -> None:
    """Runs the command that the command line names."""
    with guard():
        match sys.argv[1:]:
            case ["--version"]:
                show(f"jaxdet {jaxdet.__version__}")
                return
            case [] | ["--help" | "-h"]:
                show(_help())
                return
            case [name, *rest] if name in _COMMANDS:
                sys.argv = [f"jaxdet {name}", *rest]
            case [name, *_]:
                names = ", ".join(_COMMANDS)
                raise UserError(f"{name}: no command of jaxdet; there are {names}")
    runpy.run_module(_COMMANDS[name][0], run_name="__main__", alter_sys=True)


def _help() -> str:
    lines = [f"  {name:<9} {text}" for name, (_, text) in _COMMANDS.items()]
    return "\n".join([
        "usage: jaxdet COMMAND ... | --version", "", *lines, "",
        "`jaxdet COMMAND --help` has the options of each; python -m MODULE is the same command.",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
