"""Runs `python -m jaxdet.data audit`: the way from a folder to its findings.

Exit status 0 for a clean dataset, or for a copy made with --equalise; 1 for leaks above the
threshold, broken files, images across splits or with both labels; 2 for a mistake.
"""

import argparse
import sys
from pathlib import Path

from jaxdet.config.data import Data
from jaxdet.data.table.columns import Reading
from jaxdet.datasets.audit.equalise import check_place, equalise
from jaxdet.datasets.audit.findings import as_json, find, group_names
from jaxdet.datasets.audit.page import page_html
from jaxdet.datasets.audit.places import list_root
from jaxdet.datasets.audit.scan import Scan, scan
from jaxdet.datasets.audit.text import print_findings
from jaxdet.datasets.reading import add_reading_flags, reading_of_flags
from jaxdet.errors import UserError
from jaxdet.progress import ProgressLine
from jaxdet.ranges import AREA, SIDE, number, whole_number
from jaxdet.streams import answer
from jaxdet.workdir.files import check_writable, write_bytes, write_json

THRESHOLD = 0.6

# What our own results begin with.
_JSON = r'\{\n  "schema_version": \d+,\n  "root": "[^\n]*",\n  "verdict": '
_PAGE = r"(?s)<!doctype html>.{0,500}<title>Audit of "


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `audit`."""
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder or table of images")
    add_reading_flags(parser)
    parser.add_argument(
        "--threshold",
        type=number("(0.5, 1]"),
        default=THRESHOLD,
        metavar="AP",
        help=f"AP, above 0.5 and up to 1, from which a cue is a leak (default {THRESHOLD})",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings as JSON")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write them as one HTML file")
    parser.add_argument(
        "--max-pixels",
        type=whole_number(AREA),
        default=Data.max_pixels,
        metavar="N",
        help=f"larger images are not decoded and count as broken (default {Data.max_pixels})",
    )
    parser.add_argument(
        "--equalise", type=Path, metavar="DST", help="write a copy in which no cue tells anything"
    )
    parser.add_argument(
        "--equalise-size",
        type=whole_number(SIDE),
        metavar="N",
        help="crop the copy to N x N pixels and leave out smaller images; where left out, each "
        "set to what 99 in 100 of its images have",
    )


def run(options: argparse.Namespace) -> None:
    """Audits a data root; writes and prints what was found; makes the copy where asked."""
    if options.equalise_size and not options.equalise:
        raise UserError("--equalise-size belongs to --equalise=DST")
    # Before the long part.
    check_writable((options.json, _JSON), (options.page, _PAGE))
    if options.equalise:
        check_place(options.root, options.equalise)
    scanned = _scan(options.root, reading_of_flags(options), max_pixels=options.max_pixels)
    with ProgressLine("cues", total=len(group_names(scanned.listing)), unit="groups") as line:
        findings = find(scanned, threshold=options.threshold, advance=line.advance)
    print_findings(findings)
    if options.json:
        write_json(options.json, as_json(findings))
    if options.page:
        write_bytes(options.page, page_html(findings).encode("utf-8", "replace"))
    if options.equalise:
        equalise(scanned, options.equalise, size=options.equalise_size, say=answer)
    elif findings.faults:
        sys.exit(1)


def _scan(root: Path, reading: Reading, *, max_pixels: int) -> Scan:
    listing = list_root(root, reading)
    if listing.reading:
        answer(f"{root}: {listing.reading}")
    with ProgressLine("read", total=int((~listing.again).sum()), unit="images") as line:
        return scan(listing, max_pixels=max_pixels, advance=line.advance)
