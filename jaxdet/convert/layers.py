"""Holds rules of single layers of a vision tower, of which the tables of `spellings` are made."""

from collections.abc import Iterator

from jaxdet.convert.axes import DENSE, Layout
from jaxdet.convert.rules import Rule

VIT = "params/vit/"
# [n, width] with an axis of 1 in front, as timm keeps tokens; [1, width] without it.
BATCHED = Layout(lambda x: x[0], lambda x: x[None])
SINGLE = Layout(lambda x: x[None], lambda x: x[0])


def dense(key: str, place: str, part: tuple[int, int] = (0, 1)) -> tuple[Rule, ...]:
    """Returns the rules of a dense layer, which may be one part of several in its key."""
    return (
        Rule(f"{key}.weight", f"{place}/kernel", DENSE, part=part),
        Rule(f"{key}.bias", f"{place}/bias", part=part),
    )


def norm(key: str, place: str) -> tuple[Rule, ...]:
    """Returns the rules of a layer normalisation."""
    return (Rule(f"{key}.weight", f"{place}/scale"), Rule(f"{key}.bias", f"{place}/bias"))


def packed(weight: str, bias: str, place: str, names: tuple[str, ...]) -> Iterator[Rule]:
    """Yields the rules of dense layers that lie above each other in one key."""
    for which, name in enumerate(names):
        part = (which, len(names))
        yield Rule(weight, f"{place}{name}/kernel", DENSE, part=part)
        yield Rule(bias, f"{place}{name}/bias", part=part)


def stacked(key: str, place: str) -> Iterator[Rule]:
    """Yields the rules of an attention of torch's, whose first three layers lie in one key."""
    yield from packed(f"{key}in_proj_weight", f"{key}in_proj_bias", place, tuple("qkv"))
    yield from dense(f"{key}out_proj", f"{place}proj")


def layers(key: str, place: str, **names: str) -> Iterator[Rule]:
    """Yields the rules of dense layers, given as `ours="theirs"`."""
    for ours, theirs in names.items():
        yield from dense(f"{key}{theirs}", f"{place}{ours}")
