"""Defines the flags of `python -m jaxdet.data fetch`, and what they mean."""

import argparse
import errno
import urllib.parse
from pathlib import Path

from jaxdet.errors import RunFailedError, UserError
from jaxdet.fetch.catalog import DATASETS
from jaxdet.fetch.choice import Options
from jaxdet.fetch.elsewhere import ELSEWHERE
from jaxdet.fetch.remote import Patience
from jaxdet.fetch.run import fetch
from jaxdet.ranges import number, whole_number
from jaxdet.streams import answer

HELP = "download a set of the catalogue, check it and unpack it; start again after any failure"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `fetch`."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="what to fetch; see --list")
    parser.add_argument("--root", type=Path, metavar="DIR", help="where to put it")
    parser.add_argument("--list", action="store_true", help="show the names and what they are")
    parser.add_argument(
        "--classes",
        type=_names,
        default=(),
        metavar="A,B",
        help="of images: these classes (train, val) or generators (test) only; by range requests "
        "where the server honours them, without fetching the rest",
    )
    parser.add_argument(
        "--only", type=_names, default=(), metavar="A,B", help="of weights: these only (resnet50)"
    )
    parser.add_argument(
        "--base-url", type=_url, metavar="URL", help="a mirror: a folder that holds the files"
    )
    parser.add_argument(
        "--stream",
        action="store_true",
        help="of images: read the remote archive by range requests and keep no copy of it, which "
        "halves the disk space needed",
    )
    parser.add_argument(
        "--keep-archives", action="store_true", help="leave them in DIR/fetched after unpacking"
    )
    seconds = number("(0, 86400]")
    for name, kind, metavar, text in (
        ("tries", whole_number("[1, 1e6]"), "N", "in a row without a new byte before giving up"),
        ("backoff", seconds, "S", "seconds before the second try, doubled for each after"),
        ("timeout", seconds, "S", "seconds without an answer that count as a failure"),
    ):
        default = getattr(Patience(), name)
        shown = f"{text} (%(default)s)"
        parser.add_argument(f"--{name}", type=kind, default=default, metavar=metavar, help=shown)


def run(arguments: argparse.Namespace) -> None:
    """Fetches, or lists the names."""
    if arguments.list:
        for dataset in DATASETS.values():
            answer(f"{dataset.name:21} {dataset.title}")
        for one in ELSEWHERE.values():
            answer(f"{one.name:21} {one.sentence()}")
        return
    if arguments.name in ELSEWHERE:
        raise UserError(f"fetch: {ELSEWHERE[arguments.name].sentence()}")
    if arguments.name not in DATASETS:
        asked = f"no set {arguments.name!r}" if arguments.name else "NAME is missing"
        raise UserError(f"fetch: {asked}; there are {', '.join(DATASETS)}")
    if arguments.root is None:
        raise UserError("fetch: --root=DIR is missing")
    try:
        fetch(DATASETS[arguments.name], arguments.root, options=_options(arguments), say=answer)
    except BrokenPipeError:
        raise  # whoever read our lines has gone
    except OSError as error:
        raise _sorted(error, arguments.root) from None


def _options(arguments: argparse.Namespace) -> Options:
    return Options(
        classes=arguments.classes,
        only=arguments.only,
        base_url=arguments.base_url,
        stream=arguments.stream,
        keep_archives=arguments.keep_archives,
        patience=Patience(
            tries=arguments.tries, backoff=arguments.backoff, timeout=arguments.timeout
        ),
    )


def _sorted(error: OSError, root: Path) -> UserError | RunFailedError:
    """Returns what to raise where the disk refused; the network's errors never come this far."""
    reason = f"{error.filename or root}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        return RunFailedError(f"{reason}; start the same command again when it is mended")
    return UserError(reason)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of names")
    return names


def _url(text: str) -> str:
    try:
        parts = urllib.parse.urlsplit(text)
        is_complete = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        is_complete = False
    if not is_complete:
        raise argparse.ArgumentTypeError(f"{text!r} is no http or https address")
    return text
