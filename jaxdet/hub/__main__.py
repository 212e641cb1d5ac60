"""`python -m jaxdet.hub push | pull | list`: pushes, pulls and lists detectors.

push W TARGET        a detector, its card and thresholds to a folder or hf://OWNER/NAME
pull SOURCE FOLDER   one that others share into a new folder, checked
list                 released detectors that --weights knows by name
"""

from jaxdet.errors import Parser, guard, guard_loading

if __name__ == "__main__":
    guard_loading()

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from jaxdet.config.evaluation import CHECKPOINTS
from jaxdet.streams import answer


def main(arguments: Sequence[str] | None = None) -> None:
    """Does what the command line says."""
    with guard():
        options = _parser().parse_args(arguments)
        _WORK[options.name](options)


def _push(options: argparse.Namespace) -> None:
    # Imported late: a mistake on the command line is answered without waiting for JAX.
    from jaxdet.hub.share import push

    place = push(
        options.weights,
        options.target,
        licence=options.licence,
        checkpoint=options.checkpoint,
        private=options.private,
        update=options.update,
    )
    answer(f"{place}: pushed")


def _pull(options: argparse.Namespace) -> None:
    from jaxdet.hub.share import pull

    digest = pull(options.source, options.folder, digest=options.digest)
    answer(f"{options.folder}: digest {digest}; its README.md says what it is")


def _list(options: argparse.Namespace) -> None:
    from jaxdet.hub.releases import RELEASES

    for release in RELEASES.values():
        answer(f"{release.name:29} {release.licence:16} {release.title}")


_WORK = {"push": _push, "pull": _pull, "list": _list}


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m jaxdet.hub",
        description="Shares detectors as safetensors and JSON, by folders or by Hugging Face "
        "(extra `hub`). Nothing is overwritten, no file can run code. See docs/reference/hub.md.",
    )
    commands = parser.add_subparsers(required=True, dest="name", metavar="COMMAND")
    push = commands.add_parser("push", help="share a detector", allow_abbrev=False)
    push.add_argument(
        "weights", metavar="W", type=Path, help="run, converted folder or file of weights"
    )
    push.add_argument("target", metavar="TARGET", type=Path, help="new folder, or hf://OWNER/NAME")
    push.add_argument(
        "--licence",
        metavar="ID",
        help="of the weights, as apache-2.0; needed where they come without one",
    )
    push.add_argument(
        "--checkpoint",
        choices=CHECKPOINTS,
        help="checkpoint of a run (default: the one it was measured with)",
    )
    push.add_argument("--private", action="store_true", help="make the new repository private")
    push.add_argument(
        "--update",
        action="store_true",
        help="make a new version of the detector that the repository has",
    )
    pull = commands.add_parser("pull", help="get a detector", allow_abbrev=False)
    pull.add_argument(
        "source", metavar="SOURCE", type=Path, help="a folder, or hf://OWNER/NAME[@REVISION]"
    )
    pull.add_argument("folder", metavar="FOLDER", type=Path, help="new folder for it")
    pull.add_argument("--digest", metavar="HEX", help="take the weights of this digest alone")
    commands.add_parser("list", help="released detectors, their licences and what they are")
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
