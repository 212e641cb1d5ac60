"""Finds the images that must stay together: of one group, a pair, or copies of one picture."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from jaxdet.config.data import Data
from jaxdet.data.aside import LeftAside
from jaxdet.data.table.rows import WHOLE, Table, Words
from jaxdet.data.table.sets import PlacedTable, TableSet
from jaxdet.data.words import is_nothing, label_of_word
from jaxdet.datasets.audit.duplicates import near_pairs, same_digest
from jaxdet.datasets.audit.places import Listing
from jaxdet.datasets.audit.scan import in_threads, scan

# Two rows each, i64 [E, 2], that stay together.
Edges = np.ndarray


def join(count: int, edges: Iterable[Edges]) -> np.ndarray:
    """Returns the number of each row's bundle, i64 [N]: rows that edges lead to one another from.

    Args:
      count: number of rows.
      edges: what ties them.
    """
    ends = np.concatenate([np.empty((0, 2), np.int64), *edges])
    graph = coo_array((np.ones(len(ends), np.bool_), (ends[:, 0], ends[:, 1])), (count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def of_column(words: Words, *, are_generators: bool) -> tuple[Edges, np.ndarray]:
    """Returns what ties the rows of one word together, and whether each row has one, bool [N].

    Args:
      words: of the column.
      are_generators: whether words for real and fake stand for none.
    """
    is_said = np.array(
        [
            not is_nothing(word) and not (are_generators and label_of_word(word) is not None)
            for word in words.words
        ]
    )
    has_one = is_said[words.code]
    return _tie(np.where(has_one, words.code, -1)), has_one


def of_pairs(table: Table) -> Edges:
    """Returns what ties real and fake images of one category whose files are named alike.

    A generator with real images of its own is paired with these, all others with those of none.
    """
    generators, of_fakes = table.generator.code, table.generator.code[table.label == 1]
    own = np.intersect1d(of_fakes, generators[table.label == 0])
    # No generator is none of them, though fakes of none may stand in another split.
    named = [code for code in own.tolist() if table.generator.words[code]]
    generator = np.where(np.isin(generators, named), generators, -1)
    stems = [os.path.splitext(file.rpartition("/")[2])[0] for file in table.files]
    stem = Words.of(stems).code[table.file]
    facts = np.stack([table.split.code, table.category.code, generator, stem], axis=1)
    key = np.unique(facts, axis=0, return_inverse=True)[1].reshape(-1)
    both = np.bincount(key[table.label == 0], minlength=len(key)) > 0
    both &= np.bincount(key[table.label == 1], minlength=len(key)) > 0
    return _tie(np.where(both[key] & (table.row == WHOLE), key, -1))


def of_equal_bytes(table: Table, *, advance: Callable[[], None]) -> tuple[Edges, np.ndarray]:
    """Returns what ties images of equal bytes, and whether each can be read, bool [N].

    Args:
      table: of the images.
      advance: called after each of them.
    """
    images, digests = _images(table), np.zeros((len(table), 2), np.uint64)
    is_read = np.zeros(len(table), np.bool_)

    def digest(row: int) -> bytes:
        try:
            content = images.content(row, max_pixels=Data.max_pixels)
        except (OSError, ValueError):
            return b""
        return hashlib.sha256(content).digest()[:16]

    for row, digested in enumerate(in_threads(digest, range(len(table)))):
        is_read[row] = bool(digested)
        if digested:
            digests[row] = np.frombuffer(digested, np.uint64)
        advance()
    return _tie(np.where(is_read, same_digest(digests), -1)), is_read


def of_copies(
    table: Table, bundle: np.ndarray, *, advance: Callable[[], None]
) -> tuple[Edges, np.ndarray]:
    """Returns what ties copies of a picture, exact and near ones, and whether each can be read.

    What is near is what `data audit` calls so.

    Args:
      table: of the images.
      bundle: i64 [N], number of those that stay together already.
      advance: called after each image.
    """
    images = _images(table)
    listing = Listing(
        root=Path(table.place),
        ids=tuple(images.ids),
        images=(images,),
        folders=(),
        left_aside=LeftAside(),
    )
    facts = scan(listing, max_pixels=Data.max_pixels, advance=advance).table
    rows = np.flatnonzero(facts["read"])
    image = np.full(len(table), -1)
    image[rows] = same_digest(facts["digest"][rows])
    # One of each picture: copies must not be compared with one another again.
    firsts = rows[np.unique(image[rows], return_index=True)[1]]
    near = near_pairs(facts[firsts], side=bundle[firsts], image=image[firsts])
    return np.concatenate([_tie(image), firsts[near]]), facts["read"]


def least_keys(bundle: np.ndarray, keys: Sequence[str]) -> list[str]:
    """Returns the key of each bundle: the least of those of its rows."""
    least: dict[int, str] = {}
    for number, key in zip(bundle.tolist(), keys, strict=True):
        least[number] = min(least.get(number, key), key)
    return [least[number] for number in range(len(least))]


def _images(table: Table) -> TableSet:
    return TableSet(PlacedTable(table), np.arange(len(table)), name=table.name)


def _tie(code: np.ndarray) -> Edges:
    """Returns what ties the rows of one number, none below 0: each to the first of them."""
    rows = np.flatnonzero(code >= 0)
    _, first, place = np.unique(code[rows], return_index=True, return_inverse=True)
    return np.stack([rows[first[place]], rows], axis=1)
