"""Lists the words by which datasets name real and generated images, and their splits."""

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jaxdet.errors import UserError
from jaxdet.workdir.files import parse_json

REAL = frozenset({"0_real", "real", "nature", "natural", "authentic", "human", "photo"})
FAKE = frozenset({"1_fake", "fake", "ai", "generated", "synthetic", "gan"})
LABELS = ("real", "fake")
# What folders of real images are called beside these: with more behind a mark, and as the
# photographs of MS COCO and RAISE. In a table such a word would be no label.
_REAL_FOLDER = re.compile(
    rf"(?:{'|'.join(sorted(REAL))}|photograph)s?(?:[-_ ].*)?"
    r"|(?:ms)?coco(?:[-_ ]?20\d\d)?|raise(?:[-_ ]?\d+k?)?",
    re.IGNORECASE,
)
# What a split is called; of any other name it is a test set.
_SPLITS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("train", "training"), "train"),
        **dict.fromkeys(("val", "validation", "valid", "dev"), "val"),
        **dict.fromkeys(("test", "testing"), "test"),
    }
)
_TRUTHS = MappingProxyType({"true": 1, "false": 0})
# A whole number, also as pandas writes it where a column has gaps.
_WHOLE = re.compile(r"[+-]?\d{1,18}(?:\.0*)?", re.ASCII)
_NOTHING = frozenset({"", "none", "null", "nan", "n_a", "n/a", "na"})


class Named(str):
    """Represents the name of a class; `number` is what the file has in its place."""

    number: int

    def __new__(cls, name: str, number: int) -> "Named":
        """Returns the name, a text, which knows its number."""
        made = super().__new__(cls, name)
        made.number = number
        return made


def label_of_word(word: str) -> int | None:
    """Returns 0 for a name of real images, 1 for one of generated images, None for any other."""
    lower = word.strip().lower()
    if lower in REAL:
        return 0
    return 1 if lower in FAKE else None


def is_real_folder(name: str) -> bool:
    """Returns whether a folder is called as folders of real images are."""
    return _REAL_FOLDER.fullmatch(name.strip()) is not None


def is_nothing(word: str) -> bool:
    """Returns whether a word stands for "there is none"."""
    return word.strip().lower() in _NOTHING


def split_of_word(word: str) -> str:
    """Returns "train", "val" or "test" for a usual name of it; any other name as it is."""
    return _SPLITS.get(word.strip().lower(), word.strip())


def is_split_word(word: str) -> bool:
    """Returns whether a word is a usual name of a split."""
    return word.strip().lower() in _SPLITS


def parse_map(text: str, option: str) -> dict[str, str]:
    """Returns an option of the form `{"name": "name", ...}`, JSON; {} for "".

    Raises:
      UserError: naming the option, where it is of another form.
    """
    if not text.strip():
        return {}
    try:
        pairs = parse_json(text)
    except ValueError as error:
        raise UserError(f"{option}={text[:80]!r}: not JSON: {error}") from None
    if not isinstance(pairs, dict) or not all(isinstance(one, str) for one in pairs.values()):
        raise UserError(f'{option}={text[:80]!r}: not of the form {{"name": "name", ...}}')
    return pairs


def parse_labels(text: str, option: str = "data.labels") -> dict[str, int]:
    """Returns the label of each word that `data.labels` names.

    Raises:
      UserError: where it is no JSON object of words to "real" or "fake".
    """
    words = parse_map(text, option)
    for word, label in words.items():
        if label not in LABELS:
            raise UserError(f"{option}: {word[:40]!r} is {label[:40]!r}, neither real nor fake")
    return {word: LABELS.index(label) for word, label in words.items()}


def label_of_value(value: Any, given: Mapping[str, int]) -> int | None:
    """Returns the label that a cell of a table means, 1 = fake; None where it means neither.

    What the user gave counts alone: with a map no other word has a meaning. Without one, words go
    by REAL and FAKE, and 0, 1, false and true by their values.

    Args:
      value: of a cell.
      given: label of each word that the user named.
    """
    spellings = _spellings(value)
    if given:
        # The number that a file has for a name means what the user says, and nothing else.
        spellings += [str(value.number)] if isinstance(value, Named) else []
        return next((given[one] for one in spellings if one in given), None)
    for one in spellings:
        label = label_of_word(one)
        if label is not None:
            return label
        if one in ("0", "1"):
            return int(one)
    return None


def _spellings(value: Any) -> list[str]:
    """Returns the words that a cell may be called: itself, then the whole number that it is."""
    if isinstance(value, bool):
        return [str(value).lower(), str(int(value))]
    if isinstance(value, int):
        return [str(value)] if abs(value) < 2**63 else []
    if isinstance(value, float):
        return [str(int(value))] if math.isfinite(value) and value == int(value) else []
    if not isinstance(value, str):
        return []
    word = value.strip()
    spellings = [value, word]
    if word.lower() in _TRUTHS:
        spellings.append(str(_TRUTHS[word.lower()]))
    if _WHOLE.fullmatch(word):
        spellings.append(str(int(word.partition(".")[0])))
    return spellings
