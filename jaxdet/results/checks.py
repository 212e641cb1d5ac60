"""Checks values that come from a JSON file."""

import math
import types
import typing
from typing import Any

# Fields of 0..1, which rounding may leave by a little, and the largest count.
_SHARES = (
    "ap", "accuracy", "accuracy_real", "accuracy_fake", "auc", "sharpness_ap", "mean_ap",
    "published_ap", "metadata_ap", "pooled_auc", "mean", "minimum", "value",
)  # fmt: skip
_SLACK = 1e-6
_LARGEST = 2**53


def is_finite(number: Any) -> bool:
    """Returns whether a plain value is a number that calculations can take."""
    if type(number) is int:
        return abs(number) <= _LARGEST
    return type(number) is float and math.isfinite(number)


def typed(record: Any) -> Any:
    """Returns a dataclass itself.

    Raises:
      TypeError: where a value is not of its field's type.
      ValueError: where a number is not finite, a share not in 0..1, a count negative.
    """
    for name, hint in typing.get_type_hints(type(record)).items():
        kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        allowed = [typing.get_origin(kind) or kind for kind in kinds]
        allowed += [int] if float in allowed else []
        value = getattr(record, name)
        if not isinstance(value, tuple(allowed)) or (type(value) is bool and bool not in allowed):
            raise TypeError(f"{name}={value!r:.80} is not of type {hint}")
        if isinstance(value, int | float) and bool not in allowed:
            _check_range(name, value)
    return record


def _check_range(name: str, value: float) -> None:
    if not is_finite(value):
        raise ValueError(f"{name}={value!r:.40} is no finite number")
    if name in _SHARES and not -_SLACK <= value <= 1 + _SLACK:
        raise ValueError(f"{name}={value!r:.40} is no share of 0 to 1")
    if name.startswith("n_") and value < 0:
        raise ValueError(f"{name}={value!r:.40} is no count")


def all_ends(raw: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Returns the ends of intervals by name, out of plain values.

    Raises:
      TypeError, ValueError: where one has no two finite ends.
    """
    return {name: ends(one) for name, one in raw.items()}


def ends(raw: Any) -> tuple[float, float]:
    """Returns the ends of an interval; raises as `all_ends`."""
    low, high = raw
    return _finite(low), _finite(high)


def numbers(raw: dict[str, Any]) -> dict[str, float | None]:
    """Returns numbers by name, None where one is not defined.

    Raises:
      ValueError: where one is not finite.
    """
    return {name: None if number is None else _finite(number) for name, number in raw.items()}


def _finite(number: Any) -> float:
    if not is_finite(number):
        raise ValueError(f"{number!r:.40} in place of a finite number")
    return float(number)
