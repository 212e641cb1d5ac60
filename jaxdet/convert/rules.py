"""Brings torch's names and layouts into ours and back, by tables of rules.

A rule pairs the name of an array in a torch state dict with its place in our variables, and
says how the axes change. Nothing is silent: every key of a source is used or ignored for a
stated reason, and every place of ours is filled or named as left open.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from jaxdet.convert.axes import AS_IS, Layout, flattened
from jaxdet.convert.keys import ignored, match
from jaxdet.errors import UserError

Arrays = dict[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]


@dataclasses.dataclass(frozen=True)
class Rule:
    """Maps the key of an array in torch to its place in our variables.

    Attributes:
      key: torch's name; `{x}` stands for a number.
      place: the path in our variables, with the same numbers.
      layout: how the axes change on the way.
      reads: of a dense layer over a flattened square map of any side, the place of the layer whose
        channels the map has; the layout follows from both.
      part: which of how many equal parts of the key's first axis the place holds.
    """

    key: str
    place: str
    layout: Layout = AS_IS
    reads: str = ""
    part: tuple[int, int] = (0, 1)

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
    """Describes how the weights of one family of networks are converted.

    Attributes:
      rules: for every array of ours, exactly one.
      stem: the key whose first axis is `model.width`.
      head: start of the places of the last layer, which a source may have in another size; "" for
        a network without one.
      headless: whether a source may lack that layer.
      sized: the key whose shape depends on the side of the network's crops; "" where none does.
      side: of the shape of that key, and the width, the side of the crops in pixels.
    """

    rules: tuple[Rule, ...]
    stem: str
    head: str = ""
    headless: bool = False
    sized: str = ""
    side: Callable[[tuple[int, ...], int], int] = lambda shape, width: 0

    def key(self, place: str) -> str:
        """Returns torch's key of a place that the table covers."""
        rule = self.rule_of_place(place)
        name = _translate(rule.place, rule.key, place)
        assert name is not None  # the rule was found by this place
        return name

    def lacking(self, keys: Mapping[str, str], given: Collection[str]) -> list[str]:
        """Returns the places of the last layer where a source may lack it, and does.

        Args:
          keys: by place.
          given: keys of the source.
        """
        places = [place for place in keys if self.headless and place.startswith(self.head)]
        return [] if any(keys[place] in given for place in places) else places

    def places(self, key: str) -> list[str]:
        """Returns the places that a key of torch fills: several where they lie in one array."""
        rules = self._by_key.get(_without_numbers(key), ())
        return [p for rule in rules if (p := _translate(rule.key, rule.place, key)) is not None]

    def covers(self, place: str) -> bool:
        """Returns whether a rule fills the place."""
        return self._find(place) is not None

    def rule_of_place(self, place: str) -> Rule:
        """Returns the rule that fills the place."""
        rule = self._find(place)
        if rule is None:
            raise AssertionError(f"{place} is in no rule: the table and the network disagree")
        return rule

    def _find(self, place: str) -> Rule | None:
        rules = self._by_place.get(_without_numbers(place), ())
        return next((r for r in rules if _translate(r.place, r.key, place) is not None), None)

    # A file may have thousands of keys: only rules that differ from one in numbers are tried on it.
    @functools.cached_property
    def _by_key(self) -> Mapping[str, list[Rule]]:
        return _grouped(self.rules, lambda rule: rule.key)

    @functools.cached_property
    def _by_place(self) -> Mapping[str, list[Rule]]:
        return _grouped(self.rules, lambda rule: rule.place)


_COUNTED = ".running_var"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Coverage:
    """Reports what became of every key of torch and every place of ours.

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
    keys = {place: table.key(place) for place in shapes}
    replaced = table.lacking(keys, state_dict)
    for place in replaced:
        del keys[place]
    match(keys.values(), [key for key in state_dict if key not in reasons], source=source)
    arrays, used = {}, []
    for place, key in keys.items():
        rule, value = table.rule_of_place(place), state_dict[key]
        layout, (which, of) = rule.layout_in(shapes), rule.part
        wanted = layout.to_torch(hollow(shapes[place])).shape
        if of > 1:
            wanted = (of * wanted[0], *wanted[1:])
        if value.shape == wanted:
            own = np.split(value, of)[which] if of > 1 else value
            arrays[place] = np.array(layout.to_jax(own), np.float32, order="C")
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
    """Converts our arrays by place to a torch state dict.

    Counters of batches are given as 0, and so are parts of a key without a place.
    """
    state_dict: Arrays = {}
    shapes = {place: np.shape(value) for place, value in arrays.items()}
    for place in arrays:
        key, rule = table.key(place), table.rule_of_place(place)
        value, (which, of) = rule.layout_in(shapes).to_torch(np.asarray(arrays[place])), rule.part
        if of == 1:
            state_dict[key] = np.array(value, order="C")
        else:
            whole = state_dict.setdefault(
                key, np.zeros((of * len(value), *value.shape[1:]), value.dtype)
            )
            np.split(whole, of)[which][...] = value
        if key.endswith(_COUNTED):
            counter = key.removesuffix(_COUNTED) + ".num_batches_tracked"
            state_dict[counter] = np.zeros((), np.int64)
    return {key: state_dict[key] for key in sorted(state_dict, key=_natural)}


def _line(key: str, place: str, value: np.ndarray) -> dict[str, Any]:
    return {"key": key, "place": place, "shape": list(value.shape), "dtype": str(value.dtype)}


def hollow(shape: tuple[int, ...]) -> np.ndarray:
    """Returns an array of this shape that takes no memory."""
    return np.broadcast_to(np.float32(0), shape)


def _translate(source: str, destination: str, name: str) -> str | None:
    """Brings a name of `source`'s form into that of `destination`; None where it has another."""
    match = _pattern(source).fullmatch(name)
    return None if match is None else destination.format(**match.groupdict())


def _grouped(rules: tuple[Rule, ...], name: Callable[[Rule], str]) -> dict[str, list[Rule]]:
    """Returns the rules by a name of theirs, each number in it as one 0."""
    groups: dict[str, list[Rule]] = {}
    for rule in rules:
        groups.setdefault(_without_numbers(_FIELD.sub("0", name(rule))), []).append(rule)
    return groups


def _without_numbers(name: str) -> str:
    return _DIGITS.sub("0", name)


_DIGITS, _FIELD = re.compile("[0-9]+"), re.compile(r"\{(\w+)\}")


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = _FIELD.split(template)
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
