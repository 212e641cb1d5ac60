"""Runs `python -m jaxdet.data pack SRC DST`."""

import argparse
from pathlib import Path

from jaxdet.data.store.layout import is_store
from jaxdet.datasets.pack.listing import list_files
from jaxdet.datasets.pack.store_writer import pack, say_left_aside
from jaxdet.datasets.reading import add_reading_flags, reading_of_flags
from jaxdet.errors import UserError
from jaxdet.streams import answer
from jaxdet.workdir.files import check_apart

HELP = "put a folder or table of images into a few large files that are read by memory map"

FORMATS = ("store", "tfds")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `pack`."""
    parser.add_argument("src", type=Path, metavar="SRC", help="folder or table of images")
    add_reading_flags(parser)
    parser.add_argument("dst", type=Path, metavar="DST", help="the store to make")
    parser.add_argument(
        "--format",
        default="store",
        metavar="store|tfds",
        help="store: read by memory map, the fastest; tfds: ArrayRecord files of a "
        "tensorflow_datasets dataset below DST, for --config.data.root=tfds:NAME; both keep every "
        "pixel (default store)",
    )
    parser.add_argument("--name", help="of a tfds dataset (default forensynths)")


def run(arguments: argparse.Namespace) -> None:
    """Packs, or goes on packing."""
    if arguments.format not in FORMATS:
        raise UserError(f"--format={arguments.format}: not one of {', '.join(FORMATS)}")
    reading = reading_of_flags(arguments)
    if is_store(arguments.src):
        raise UserError(f"{arguments.src}: is a packed store; pack the folder that it was made of")
    if arguments.format == "store":
        if arguments.name is not None:
            raise UserError("--name belongs to --format=tfds")
        pack(arguments.src, arguments.dst, say=answer, reading=reading)
        return
    name = "forensynths" if arguments.name is None else arguments.name
    # What tfds makes below DST; that may hold SRC.
    check_apart(arguments.dst / name, arguments.src, instead="DST")
    # tensorflow_datasets takes a second to import.
    from jaxdet.datasets.pack.arrayrecord_writer import write_tfds

    listing = list_files(arguments.src, reading)
    answer(f"{write_tfds(listing, arguments.dst, name=name)}: is there")
    say_left_aside(listing, answer)
