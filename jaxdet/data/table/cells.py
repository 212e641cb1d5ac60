"""Reads the cells of a table: labels, words, paths; a mistake names its row."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from jaxdet.data.table.columns import Reading
from jaxdet.data.words import FAKE, REAL, label_of_value
from jaxdet.errors import UserError
from jaxdet.streams import printable

# What a message calls a row.
Where = Callable[[int], str]
# Of http, s3, hf and the like; as a path, one would lose a slash.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|data:")
NOT_FETCHED = "a URL, and nothing is fetched: download the image, or give its bytes"


def labels_of(
    values: Sequence[Any],
    reading: Reading,
    where: Where,
    *,
    rows: Sequence[int] | None = None,
) -> np.ndarray:
    """Returns the label of each value, i32 [N], 1 = fake.

    Args:
      values: cells of the column.
      reading: with the words that the user gave.
      where: what a message calls a row.
      rows: the row of each value, -1 where no row has it; None: they stand in their order.

    Raises:
      UserError: naming the row of a value that says neither real nor fake.
    """
    known: dict[Any, int | None] = {}
    labels = np.zeros(len(values), np.int32)
    for number, value in enumerate(values):
        row = number if rows is None else rows[number]
        if row < 0:
            continue
        key = (type(value), value) if isinstance(value, (str, int, float)) else None
        label = known[key] if key in known else label_of_value(value, reading.labels)
        known[key] = label if key else None
        if label is None:
            raise UserError(f"{where(row)}: {_unsaid(value, reading)}")
        labels[number] = label
    return labels


def _unsaid(value: Any, reading: Reading) -> str:
    shown = printable(str(value))[:40]
    if reading.labels:
        return f"its label {shown!r} is none of data.labels: {', '.join(reading.labels)[:200]}"
    if value is None or value == "":
        return "has no label; remove the row, or give it one"
    known = ", ".join(sorted(REAL | FAKE))
    return (
        f"its label {shown!r} says neither real nor fake; known are 0, 1 and {known}: name others "
        'with --config.data.labels=\'{"WORD": "real", "WORD": "fake"}\''
    )


def word_of(value: Any, where: Where, row: int, role: str) -> str:
    """Returns a cell as a word; "" for none.

    Raises:
      UserError: where it is a list or an object, or a row names no split.
    """
    if isinstance(value, (list, dict)):
        raise UserError(f"{where(row)}: its {role} is {str(value)[:40]}, not one value")
    word = "" if value is None or value != value else str(value).strip()
    if role == "split" and not word:
        raise UserError(f"{where(row)}: names no split; give it one, or leave the column out")
    return word


def path_of(value: Any, where: Where, row: int) -> str:
    """Returns the path of an image; "" where a row has none, which is found when it is read."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UserError(f"{where(row)}: its image is {str(value)[:40]}, not the path of a file")
    refuse_urls([value], where(row))
    return value


def is_url(text: str) -> bool:
    """Returns whether a text in place of a path is a URL."""
    return _URL.match(text) is not None


def refuse_urls(paths: Iterable[str], place: str) -> None:
    """Raises UserError where one of some paths is a URL."""
    for path in paths:
        if is_url(path):
            raise UserError(
                f"{place}: {printable(path)[:80]}: a URL, and nothing is fetched; download the "
                "images and name their files"
            )
