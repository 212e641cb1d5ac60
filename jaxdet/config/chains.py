"""Reads chains of degradations: what happens to an image before a reader sees it."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from jaxdet.errors import UserError
from jaxdet.ranges import SIDE, Range, parse_number, parse_whole, show_value

# What degrades an image, with the levels it may have; `data/augment/fixed.py` does it.
DEGRADATIONS: Mapping[str, str] = MappingProxyType(
    {"jpeg": "[1, 100]", "blur": "(0, 100]", "scale": "(0, 16]", "long": SIDE}
)
_WHOLE = ("jpeg", "long")
# Delivery by the web, at two strengths.
NAMED: Mapping[str, str] = MappingProxyType({"web": "long:768+jpeg:60", "hard": "long:512+jpeg:40"})
# A screenshot is the picture at the size at which it is shown; PNG keeps the pixels as they are.
_SCREENSHOT = "screenshot"
_EQUALISING = "jpeg"


def spell_out(text: str) -> str:
    """Returns a chain with its named parts as the steps that they stand for."""
    return "+".join(_spelled_out(step) for step in text.split("+"))


def read_chain(text: str, *, option: str, others: Iterable[str] = ()) -> list[tuple[str, float]]:
    """Returns kind and level of each step of a chain, such as `web` or `long:1024+jpeg:80`.

    Args:
      text: the chain.
      option: that names it.
      others: what else the option takes.

    Raises:
      UserError: naming the option, where a step is none or has no such level.
    """
    return [_step(step, text, option, others) for step in spell_out(text).split("+")]


def read_chains(texts: Iterable[str]) -> dict[str, tuple[tuple[str, float], ...]]:
    """Returns the steps of each of `evaluation.chains`, by its name there.

    Raises:
      UserError: where one cannot be read, or two have the same steps.
    """
    option = "evaluation.chains"
    texts = list(texts)
    chains = {text: tuple(read_chain(text, option=option)) for text in texts}
    if len(set(chains.values())) < len(texts):
        raise UserError(f"{option}={show_value(tuple(texts))} names one twice")
    return chains


def equalising_quality(text: str) -> int | None:
    """Returns the quality of `evaluation.equalise`; None for "none".

    Raises:
      UserError: where it is neither.
    """
    if text == "none":
        return None
    kind, _, given = text.partition(":")
    quality = parse_whole(given, DEGRADATIONS[_EQUALISING]) if kind == _EQUALISING else None
    if quality is None:
        raise UserError(
            f"evaluation.equalise={show_value(text)} is not none or {_EQUALISING}:QUALITY, a "
            "whole number of 1 to 100"
        )
    return quality


def _spelled_out(step: str) -> str:
    name, colon, level = step.partition(":")
    return f"scale{colon}{level}" if name == _SCREENSHOT else NAMED.get(step, step)


def _step(step: str, text: str, option: str, others: Iterable[str]) -> tuple[str, float]:
    kind, _, given = step.partition(":")
    if kind not in DEGRADATIONS:
        levels = (f"{name}:LEVEL" for name in (*DEGRADATIONS, _SCREENSHOT))
        known = ", ".join((*others, *levels, *NAMED))
        raise UserError(
            f"{option}: {show_value(text)} is not one of {known}, nor a chain with + of these"
        )
    level = parse_number(given, DEGRADATIONS[kind])
    if level is None or (kind in _WHOLE and level % 1):
        whole = "" if level is None else "a whole number, "
        raise UserError(
            f"{option}: {show_value(text)}: the level of {kind} is not {whole}"
            f"{Range.of(DEGRADATIONS[kind])}"
        )
    return kind, level
