"""Runs `python -m jaxdet.data splits ROOT --out=FILE.parquet`."""

import argparse
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from jaxdet.data.images import SPLITS
from jaxdet.data.table.rows import Table, Words
from jaxdet.data.words import LABELS
from jaxdet.datasets.index.rows import check_out, read_root, write_index
from jaxdet.datasets.reading import add_reading_flags, reading_of_flags
from jaxdet.datasets.splits import bundles
from jaxdet.datasets.splits.draw import Shares, counts_of, lack_of, other_seed
from jaxdet.errors import UserError
from jaxdet.progress import ProgressLine
from jaxdet.ranges import number, whole_number
from jaxdet.streams import answer, printable

HELP = "draw train, val and test anew, so that no group, pair or copy lies in two of them"
COPIES = ("near", "exact", "none")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `splits`."""
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder or table of images")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.parquet", help="the table to write"
    )
    for name, share in (("val", 0.1), ("test", 0.1)):
        parser.add_argument(
            f"--{name}",
            type=number("[0, 1)"),
            default=share,
            metavar="SHARE",
            help=f"share of what stays together that becomes {name} (default {share}); 0: none",
        )
    parser.add_argument(
        "--by",
        choices=("group", "category", "generator"),
        help="images with one word in this column stay together, as those of one group always do",
    )
    parser.add_argument(
        "--copies",
        choices=COPIES,
        default=COPIES[0],
        help="copies that stay together: near, as `audit` finds them, which decodes every image "
        "(default); exact, of equal bytes; none, which opens no image",
    )
    parser.add_argument(
        "--seed", type=whole_number("[0, 1e9]"), default=0, metavar="N", help="of the draw"
    )
    add_reading_flags(parser)


def run(arguments: argparse.Namespace) -> None:
    """Reads all rows, finds what belongs together, draws, and writes the table.

    Raises:
      UserError: where the root cannot be read, a split would lack a label, or the file is there.
    """
    shares, out = Shares(val=arguments.val, test=arguments.test), arguments.out
    if shares.val + shares.test >= 1 or len(shares.wanted) == 1:
        raise UserError(
            f"--val={shares.val} --test={shares.test}: leave a share to train on, and give one of "
            "them a share"
        )
    check_out(out)
    table = read_root(arguments.root, reading_of_flags(arguments))
    bundle, keys, unread = _bundles(table, by=arguments.by, copies=arguments.copies)
    split = shares.draw(keys, arguments.seed)[bundle]
    _check(table, bundle, keys, split, shares)
    line = write_index(out, dataclasses.replace(table, split=Words(SPLITS, split.astype(np.int32))))
    for text in filter(None, (*_counts(table, split, shares), line)):
        answer(text)
    if len(unread):
        answer(
            f"{out}: {len(unread):,} images cannot be read, such as "
            f"{printable(table.where(int(unread[0])))}; copies of them were not looked for"
        )
    answer(f"{out}: {len(table):,} images in {len(keys):,} bundles that stay whole")


def _bundles(
    table: Table, *, by: str | None, copies: str
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Returns the number of each row's bundle, the key of each bundle, and unreadable rows.

    Raises:
      UserError: where nothing is said in the column.
    """
    tied = {
        column: bundles.of_column(getattr(table, column), are_generators=column == "generator")
        for column in dict.fromkeys((by or "group", "group"))
    }
    if by and not tied[by][1].any():
        raise UserError(f"{table.place}: --by={by}: no image has a {by}")
    edges, is_read = [pairs for pairs, _ in tied.values()], np.ones(len(table), np.bool_)
    edges.append(bundles.of_pairs(table))
    if copies != "none":
        with ProgressLine("read", total=len(table), unit="images") as line:
            if copies == "exact":
                pairs, is_read = bundles.of_equal_bytes(table, advance=line.advance)
            else:
                before = bundles.join(len(table), edges)
                pairs, is_read = bundles.of_copies(table, before, advance=line.advance)
        edges.append(pairs)
    bundle = bundles.join(len(table), edges)
    keys = _keys(table, {column: has_one for column, (_, has_one) in tied.items()})
    return bundle, bundles.least_keys(bundle, keys), np.flatnonzero(~is_read)


def _keys(table: Table, has_one: Mapping[str, np.ndarray]) -> list[str]:
    """Returns what each row is drawn by: its word in the first column with one, else its file."""
    keys = [table.reference(row) for row in range(len(table))]
    for column in reversed(list(has_one)):
        words: Words = getattr(table, column)
        for row in np.flatnonzero(has_one[column]).tolist():
            keys[row] = f"{column}\0{words[row]}"
    return keys


def _check(
    table: Table, bundle: np.ndarray, keys: list[str], split: np.ndarray, shares: Shares
) -> None:
    """Raises UserError where a split would be empty or of one label, with what to do about it."""
    lack = lack_of(counts_of(split, table.label), shares)
    if not lack:
        return
    for label, word in enumerate(LABELS):
        if label not in table.label:
            raise UserError(f"{table.place}: holds no {word} images; both are needed")
    seed = other_seed(keys, bundle, table.label, shares)
    advice = f"--seed={seed} gives every split both labels"
    if seed is None:
        largest = int(np.bincount(bundle).max())
        advice = (
            f"give larger shares or another --by; the largest of {len(keys):,} bundles that stay "
            f"together has {largest:,} of {len(table):,} images"
        )
    raise UserError(f"{table.place}: {lack}; {advice}")


def _counts(table: Table, split: np.ndarray, shares: Shares) -> Iterator[str]:
    counts = counts_of(split, table.label)
    for place in shares.wanted:
        real, fake = counts[place].tolist()
        share = (real + fake) / len(table)
        yield f"{SPLITS[place]:5}  {real:>11,} real  {fake:>11,} fake  {share:6.1%}"
