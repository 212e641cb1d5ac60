"""Reads the views of a training image that `augment.views` names from their text."""

import dataclasses
from collections.abc import Iterable

from jaxdet.config.chains import read_chain, spell_out
from jaxdet.errors import UserError
from jaxdet.ranges import parse_whole, show_value

_CLEAN, _AUGMENTED = "clean", "augmented"
# Draws of the augmentation that are told apart in a cache; each is a pass over all images.
_MOST = 1000


@dataclasses.dataclass(frozen=True)
class TrainingView:
    """Describes one way in which every training image is seen.

    Attributes:
      name: as a config writes it, named chains spelled out; of a draw, `augmented-K`.
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
    others = (_CLEAN, f"{_AUGMENTED}:K")
    steps = read_chain(text, option="augment.views", others=others)
    return [TrainingView(spell_out(text), tuple(steps))]
