"""`python -m jaxdet.data verify`: its flags, and what they mean."""

import argparse
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from jaxdet.data.regular import listing
from jaxdet.data.store.layout import is_store
from jaxdet.datasets.verify.report import Report, join, summary, to_lines, to_plain
from jaxdet.datasets.verify.store import verify_store
from jaxdet.datasets.verify.tree import Expect, is_tree, verify_tree
from jaxdet.datasets.verify.weights import has_weights, verify_weights
from jaxdet.errors import RunFailedError, UserError
from jaxdet.streams import answer
from jaxdet.workdir.files import check_folder, check_writable, write_json

# What an earlier result begins with.
JSON = r'\{\n  "root": "[^\n]*",\n  "ok": '
HELP = "say what is missing, surplus or damaged in data that is already there"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `verify`."""
    parser.add_argument(
        "root", type=Path, metavar="ROOT", help="folder of train, val and test, or a packed store"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all that was found here")
    parser.add_argument(
        "--expect",
        choices=[one.value for one in Expect],
        default=Expect.AUTO.value,
        help="the counts of the published sets: of folders with their names (published), of none "
        "(nothing), or where all folders of a split have such names (auto, the default)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Looks at all there is, and prints it.

    Raises:
      UserError: where there is nothing to look at.
      RunFailedError: where something is wrong.
    """
    # What Pillow warns of is reported if it is damage, and harmless if not.
    warnings.simplefilter("ignore")
    root: Path = arguments.root
    check_writable((arguments.json, JSON))
    with listing(root):
        check_folder(root)
        report = join([look() for look in _looks(root, expect=Expect(arguments.expect))])
    for line in to_lines(report):
        answer(line)
    if arguments.json:
        write_json(arguments.json, to_plain(os.fspath(root), report))
    if report.findings:
        raise RunFailedError(f"{root}: {summary(report)}{_advice(report)}")
    answer(f"{root}: all is well")


def _looks(root: Path, *, expect: Expect) -> Iterator[Callable[[], Report]]:
    """Returns the checks that apply to a folder, one function for each kind of data."""
    kinds: tuple[tuple[bool, Callable[[], Report]], ...] = (
        (is_tree(root), lambda: verify_tree(root, expect=expect)),
        (is_store(root), lambda: verify_store(root)),
        (has_weights(root), lambda: verify_weights(root)),
    )
    if not any(applies for applies, _ in kinds):
        raise UserError(
            f"{root}: holds no train, val or test folder and is no packed store; see docs/data.md"
        )
    return (look for applies, look in kinds if applies)


def _advice(report: Report) -> str:
    if any(count.real_expected is not None for count in report.counts):
        return "; held against the published sets (for images of your own: --expect=nothing)"
    return ""
