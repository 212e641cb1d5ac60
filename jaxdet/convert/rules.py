"""Brings torch's names and layouts into ours and back, by tables of rules.

A rule pairs the name of an array in a torch state dict with its place in our variables, and
says how the axes change. Nothing is silent: every key of a source is used or ignored for a
stated reason, and every place of ours is filled or named as left open.
"""

import dataclasses
import difflib
import functools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxdet.convert.state_dicts import is_average_count, shorten
from jaxdet.errors import UserError

Arrays = dict[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]


@dataclasses.dataclass(frozen=True)
class Layout:
    """Changes the axes of an array both ways; one undoes the other bit by bit."""

    to_jax: Callable[[np.ndarray], np.ndarray]
    to_torch: Callable[[np.ndarray], np.ndarray]


def flattened(height: int, width: int) -> Layout:
    """Returns the layout of a dense layer over a flattened map of `height` x `width`.

    torch flattens [C, H, W], we flatten [H, W, C]: [out, C*H*W] to [H*W*C, out].
    """
    return Layout(
        lambda x: x.reshape(len(x), -1, height, width).transpose(2, 3, 1, 0).reshape(-1, len(x)),
        lambda x: (
            x.reshape(height, width, -1, x.shape[1]).transpose(3, 2, 0, 1).reshape(x.shape[1], -1)
        ),
    )


AS_IS = Layout(np.asarray, np.asarray)
# [out, in, h, w] to [h, w, in, out].
CONV = Layout(lambda x: x.transpose(2, 3, 1, 0), lambda x: x.transpose(3, 2, 0, 1))
# [C, H, W] to [H, W, C].
MAP = Layout(lambda x: x.transpose(1, 2, 0), lambda x: x.transpose(2, 0, 1))
# [out, in] to [in, out].
DENSE = Layout(np.transpose, np.transpose)


@dataclasses.dataclass(frozen=True)
class Rule:
    """Maps the key of an array in torch to its place in our variables.

    Attributes:
      key: torch's name; `{x}` stands for a number.
      place: the path in our variables, with the same numbers.
      layout: how the axes change on the way.
      reads: of a dense layer over a flattened square map of any side, the place of the layer whose
        channels the map has; the layout follows from both.
    """

    key: str
    place: str
    layout: Layout = AS_IS
    reads: str = ""

    def layout_in(self, shapes: Shapes) -> Layout:
        """Returns the layout in a network whose places have these shapes."""
        if not self.reads:
            return self.layout
        side = math.isqrt(shapes[self.place][0] // shapes[self.reads][-1])
        return flattened(side, side)


def norm(key: str, place: str) -> tuple[Rule, ...]:
    """Returns the rules of the four arrays of a batch normalisation."""
    return (
        Rule(f"{key}.weight", f"params/{place}/scale"),
        Rule(f"{key}.bias", f"params/{place}/bias"),
        Rule(f"{key}.running_mean", f"batch_stats/{place}/mean"),
        Rule(f"{key}.running_var", f"batch_stats/{place}/var"),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """Says how the weights of one family of networks are converted.

    Attributes:
      rules: for every array of ours, exactly one.
      stem: the key whose first axis is `model.width`.
      head: start of the places of the last layer, which a source may have in another size; "" for
        a network without one.
      sized: the key whose shape depends on the side of the network's crops; "" where none does.
      side: of the shape of that key, and the width, the side of the crops in pixels.
    """

    rules: tuple[Rule, ...]
    stem: str
    head: str = ""
    sized: str = ""
    side: Callable[[tuple[int, ...], int], int] = lambda shape, width: 0

    def key(self, place: str) -> str:
        """Returns torch's key of a place that the table covers."""
        rule = self.rule_of_place(place)
        name = _translate(rule.place, rule.key, place)
        assert name is not None  # the rule was found by this place
        return name

    def rule_of_place(self, place: str) -> Rule:
        """Returns the rule that fills the place."""
        for rule in self.rules:
            if _translate(rule.place, rule.key, place) is not None:
                return rule
        raise AssertionError(f"{place} is in no rule: the table and the network disagree")


# Keys of torch without a place of ours: (pattern over the whole key, why).
_IGNORED = (
    (re.compile(r".*\.num_batches_tracked"), "a counter that nothing reads at a fixed momentum"),
)
_COUNTED = ".running_var"


def ignored(key: str) -> str | None:
    """Says why a key of torch has no place in our variables; None where it needs one."""
    if is_average_count(key):
        return "the number of models that were averaged"
    return next((why for pattern, why in _IGNORED if pattern.fullmatch(key)), None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Coverage:
    """Says what became of every key of torch and every place of ours.

    Attributes:
      used: one {"key", "place", "shape", "dtype"} for each array that went over, as in torch.
      ignored: key to the reason.
      replaced: places left open, because the head has another size.
    """

    used: tuple[dict[str, Any], ...]
    ignored: dict[str, str]
    replaced: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Converted:
    """Holds converted arrays f32 by place, without those in `coverage.replaced`."""

    arrays: Arrays
    coverage: Coverage


def to_jax(
    state_dict: Mapping[str, np.ndarray], shapes: Shapes, *, table: Table, source: str
) -> Converted:
    """Converts a torch state dict to arrays of ours.

    Args:
      state_dict: torch's key to array.
      shapes: every place of ours and its shape.
      table: of the architecture.
      source: what errors call the state dict.

    Raises:
      UserError: where a key has no place, a place no key, or a shape differs.
    """
    reasons = {key: why for key in state_dict if (why := ignored(key)) is not None}
    keys = {table.key(place): place for place in shapes}
    match(keys, [key for key in state_dict if key not in reasons], source=source)
    arrays, used, replaced = {}, [], []
    for key, place in keys.items():
        layout, value = table.rule_of_place(place).layout_in(shapes), state_dict[key]
        wanted = layout.to_torch(_hollow(shapes[place])).shape
        if value.shape == wanted:
            arrays[place] = np.array(layout.to_jax(value), np.float32, order="C")
            used.append(_line(key, place, value))
        elif table.head and place.startswith(table.head):
            replaced.append(place)
        else:
            raise UserError(f"{source}: {key} has shape {value.shape}, not {wanted}")
    return Converted(
        arrays=arrays,
        coverage=Coverage(used=tuple(used), ignored=reasons, replaced=tuple(sorted(replaced))),
    )


def to_torch(arrays: Mapping[str, np.ndarray], *, table: Table) -> Arrays:
    """Converts our arrays by place to a torch state dict; counters of batches are given as 0."""
    found: Arrays = {}
    shapes = {place: np.shape(value) for place, value in arrays.items()}
    for place in arrays:
        key = table.key(place)
        layout = table.rule_of_place(place).layout_in(shapes)
        found[key] = np.array(layout.to_torch(np.asarray(arrays[place])), order="C")
        if key.endswith(_COUNTED):
            counter = key.removesuffix(_COUNTED) + ".num_batches_tracked"
            found[counter] = np.zeros((), np.int64)
    return {key: found[key] for key in sorted(found, key=_natural)}


def match(
    wanted: Iterable[str], given: Sequence[str], *, source: str, network: str = "this architecture"
) -> None:
    """Refuses a state dict with other keys than those wanted, naming both sides.

    Raises:
      UserError: where a key is missing or has no place.
    """
    missing, unknown = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
    if not missing and not unknown:
        return
    sides = [
        f"{len(names)} {what}: {', '.join(_with_nearest(name, others) for name in names[:_SHOWN])}"
        + (", ..." if len(names) > _SHOWN else "")
        # A name of the other side that is left over is the likelier counterpart.
        for what, names, others in (
            ("missing", missing, [unknown, list(given)]),
            ("without a place", unknown, [missing, list(wanted)]),
        )
        if names
    ]
    raise UserError(f"{source}: not the weights of {network}: {'; '.join(sides)}")


# More names than this tell a reader nothing new, and no network has as many to compare with.
_SHOWN, _COMPARED = 5, 1000


def _with_nearest(name: str, others: Sequence[list[str]]) -> str:
    """Adds to a name the nearest of the first list that has one near enough."""
    shown = shorten(name)
    found = (difflib.get_close_matches(shown, names[:_COMPARED], n=1) for names in others)
    nearest = next((names[0] for names in found if names), None)
    return f"{shown} (nearest: {shorten(nearest)})" if nearest else shown


def _line(key: str, place: str, value: np.ndarray) -> dict[str, Any]:
    return {"key": key, "place": place, "shape": list(value.shape), "dtype": str(value.dtype)}


def _hollow(shape: tuple[int, ...]) -> np.ndarray:
    """Returns an array of this shape that takes no memory."""
    return np.broadcast_to(np.float32(0), shape)


def _translate(source: str, destination: str, name: str) -> str | None:
    """Brings a name of `source`'s form into that of `destination`; None where it has another."""
    match = _pattern(source).fullmatch(name)
    return None if match is None else destination.format(**match.groupdict())


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    numbers = [f"(?P<{name}>[0-9]+)" for name in parts[1::2]]
    literals = [re.escape(text) for text in parts[::2]]
    return re.compile("".join(a + b for a, b in zip(literals, [*numbers, ""], strict=True)))


def _natural(name: str) -> list[tuple[int, str]]:
    """Returns a key that sorts layer 10 after layer 9; a number may have any length."""
    parts = re.split(r"([0-9]+)", name)
    return [(len(part) if part.isdecimal() else 0, part) for part in parts]


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Joins nested dicts into one: {"params/conv1/kernel": array}."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        path = f"{prefix}{name}"
        flat.update(flatten(value, path + "/") if isinstance(value, Mapping) else {path: value})
    return flat


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Nests a dict that `flatten` joined."""
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, leaf = path.split("/")
        node = nested
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return nested
