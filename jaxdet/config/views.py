"""The views of a training image that `augment.views` names, read from their text."""

import dataclasses
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from jaxdet.errors import UserError
from jaxdet.ranges import Range, parse_number, parse_whole, show_value

# What degrades an image in a view, with the levels it may have.
DEGRADATIONS: Mapping[str, str] = MappingProxyType(
    {"jpeg": "[1, 100]", "blur": "(0, 100]", "scale": "(0, 16]"}
)
_CLEAN, _AUGMENTED = "clean", "augmented"
# Draws of the augmentation that are told apart in a cache; each is a pass over all images.
_MOST = 1000


@dataclasses.dataclass(frozen=True)
class TrainingView:
    """Describes one way in which every training image is seen.

    Attributes:
      name: as a config writes it; of a draw, `augmented-K`.
      degradations: kind and level of each, in their order; none for an image as it is.
      draw: the epoch whose augmentation is meant; None where nothing is drawn.
    """

    name: str
    degradations: tuple[tuple[str, float], ...] = ()
    draw: int | None = None


def read_views(texts: Iterable[str]) -> tuple[TrainingView, ...]:
    """Returns the views of `augment.views`; `augmented:K` gives K of them.

    Raises:
      UserError: where one cannot be read, or stands there twice.
    """
    views = [view for text in texts for view in _read(text)]
    if len(set(views)) < len(views):
        raise UserError("augment.views names one twice")
    return tuple(views)


def _read(text: str) -> list[TrainingView]:
    if text == _CLEAN:
        return [TrainingView(text)]
    kind, _, count = text.partition(":")
    if kind == _AUGMENTED:
        draws = parse_whole(count, f"[1, {_MOST}]")
        if draws is None:
            raise UserError(f"augment.views: {show_value(text)} names no 1 to {_MOST} draws")
        return [TrainingView(f"{kind}-{draw}", draw=draw) for draw in range(draws)]
    return [TrainingView(text, tuple(_degradation(step, text) for step in text.split("+")))]


def _degradation(step: str, text: str) -> tuple[str, float]:
    kind, _, given = step.partition(":")
    if kind not in DEGRADATIONS:
        known = ", ".join((_CLEAN, f"{_AUGMENTED}:K", *(f"{name}:LEVEL" for name in DEGRADATIONS)))
        raise UserError(
            f"augment.views: {show_value(text)} is not one of {known}, nor a chain with + of these"
        )
    level = parse_number(given, DEGRADATIONS[kind])
    if level is None or (kind == "jpeg" and level % 1):
        raise UserError(
            f"augment.views: {show_value(text)}: the level of {kind} is not "
            f"{Range.of(DEGRADATIONS[kind])}"
        )
    return kind, level
