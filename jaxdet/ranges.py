"""Defines the range of every number that a user may give, in a config or to a command."""

import argparse
import dataclasses
import functools
import re
import reprlib
from collections.abc import Callable
from typing import Self


@dataclasses.dataclass(frozen=True)
class Range:
    """Describes a range of numbers, each end included or left out.

    Attributes:
      low: its lower end.
      high: its upper end.
      above_low: whether `low` itself lies outside.
      below_high: whether `high` itself lies outside.
    """

    low: float
    high: float
    above_low: bool = False
    below_high: bool = False

    @classmethod
    @functools.cache  # public image operations ask for each image
    def of(cls, notation: str) -> Self:
        """Returns the range of an interval in mathematical notation, as `(0, 1]`.

        Raises:
          ValueError: where it is no interval.
        """
        match = _INTERVAL.fullmatch(notation)
        if match is None:
            raise ValueError(f"{notation!r} is no interval")
        low, high = float(match[2]), float(match[3])
        return cls(low, high, above_low=match[1] == "(", below_high=match[4] == ")")

    def __contains__(self, value: float) -> bool:
        """Returns whether the number lies within; NaN lies in no range."""
        above = self.low < value if self.above_low else self.low <= value
        return above and (value < self.high if self.below_high else value <= self.high)

    def __str__(self) -> str:
        """Returns the range in words, as `above 0 and at most 1`."""
        low = f"{'above' if self.above_low else 'at least'} {_plain(self.low)}"
        return f"{low} and {'below' if self.below_high else 'at most'} {_plain(self.high)}"


def whole_number(interval: str) -> Callable[[str], int]:
    """Returns an argparse type that takes whole numbers of the interval alone."""
    return lambda text: int(_require(text, int, interval))


def number(interval: str) -> Callable[[str], float]:
    """Returns an argparse type that takes numbers of the interval alone."""
    return lambda text: float(_require(text, float, interval))


def parse_whole(text: str, interval: str) -> int | None:
    """Returns the whole number of a text, of whatever length, or None where it is none within."""
    value = _parse(text, int, interval)
    return None if value is None else int(value)


def parse_number(text: str, interval: str) -> float | None:
    """Returns the number of a text, or None where it is none within the interval."""
    return _parse(text, float, interval)


# Pixels of a side: beyond, counts of an image's values leave what XLA's int32 holds.
SIDE = "[1, 16384]"
# Pixels of an image that may be decoded.
AREA = "[1, 1e10]"
# Images, steps, rows or rounds.
COUNT = "[1, 1e9]"
# JAX drops what a seed has above 32 bits.
SEED = "[0, 4294967295]"


def show_value(value: object) -> str:
    """Returns a value as a message shows it, which is never longer than a line."""
    try:
        return reprlib.repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return "a number of thousands of digits"


def _require(text: str, kind: type[int] | type[float], interval: str) -> float:
    value = _parse(text, kind, interval)
    if value is None:
        name = "whole number" if kind is int else "number"
        raise argparse.ArgumentTypeError(f"{show_value(text)}: give a {name}, {Range.of(interval)}")
    return value


def _parse(text: str, kind: type[int] | type[float], interval: str) -> float | None:
    # Python also reads other scripts' digits, underscores and spaces around.
    if not _NUMBER.fullmatch(text):
        return None
    try:
        value = kind(text)
    except ValueError:  # also an integer of more digits than Python reads
        return None
    return value if value in Range.of(interval) else None


def _plain(value: float) -> str:
    """Returns a number without a superfluous point, and large powers of ten as such."""
    return f"{value:.12g}"


_NUMBER = re.compile(r"[-+.0-9eE]+")
_INTERVAL = re.compile(r"([\[(])(\S+), (\S+)([\])])")
