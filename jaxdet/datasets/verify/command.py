"""Runs `python -m jaxdet.data verify`: its flags, and what they mean."""

import argparse
import os
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from jaxdet.data.regular import listing
from jaxdet.data.store.layout import is_store
from jaxdet.data.table.columns import Reading
from jaxdet.data.table.find import find_table
from jaxdet.datasets.reading import add_reading_flags, reading_of_flags
from jaxdet.datasets.verify.report import Report, join, summary, to_lines, to_plain
from jaxdet.datasets.verify.store import verify_store
from jaxdet.datasets.verify.table import verify_table
from jaxdet.datasets.verify.tree import Expect, is_tree, verify_tree
from jaxdet.datasets.verify.weights import has_weights, verify_weights
from jaxdet.errors import RunFailedError, UserError
from jaxdet.streams import answer
from jaxdet.workdir.files import check_writable, write_json

# What an earlier result begins with.
JSON = r'\{\n  "root": "[^\n]*",\n  "ok": '
HELP = "say what is missing, surplus or damaged in data that is already there"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `verify`."""
    parser.add_argument(
        "root", type=Path, metavar="ROOT", help="folder or table of images, or a packed store"
    )
    add_reading_flags(parser)
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
        looks = _looks(root, reading_of_flags(arguments), expect=Expect(arguments.expect))
        report = join([look() for look in looks])
    for line in to_lines(report):
        answer(line)
    if arguments.json:
        write_json(arguments.json, to_plain(os.fspath(root), report))
    if report.findings:
        raise RunFailedError(f"{root}: {summary(report)}{_advice(report)}")
    answer(f"{root}: all is well")


def _looks(root: Path, reading: Reading, *, expect: Expect) -> Iterator[Callable[[], Report]]:
    """Yields the checks that apply to a root, one function for each kind of data.

    Raises:
      UserError: where there is nothing to look at, or it cannot be read as asked.
    """
    is_packed, holds_weights = (root.is_dir() and one(root) for one in (is_store, has_weights))
    if is_packed:
        yield partial(verify_store, root)
    # A folder of weights alone may hold any other files.
    elif is_tree(root) or not holds_weights:
        found = find_table(root, reading)
        if found is not None:
            if expect is Expect.PUBLISHED:
                raise UserError(f"{root}: --expect=published is for folders of train, val and test")
            yield partial(verify_table, found)
        elif is_tree(root):
            yield partial(verify_tree, root, expect=expect)
        else:
            raise UserError(
                f"{root}: holds no train, val or test folder and is no packed store; see "
                "docs/data.md"
            )
    if holds_weights:
        yield partial(verify_weights, root)


def _advice(report: Report) -> str:
    if any(count.real_expected is not None for count in report.counts):
        return "; held against the published sets (for images of your own: --expect=nothing)"
    return ""
