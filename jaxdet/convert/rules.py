"""torchvision's names and layouts <-> ours, as tables of rules.

A rule is a pattern over torch's key, the place of the array in our variables, and the
change of layout. Nothing is silent: every key of the source is used or listed in
`_WITHOUT_PLACE`, every array of ours is filled.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jaxdet.errors import UserError


@dataclasses.dataclass(frozen=True)
class Rule:
    """Where keys that match `pattern` go.

    Attributes:
      pattern: a regular expression over the whole of torch's key.
      place: path in our variables, with groups of the pattern.
      layout: from torch's array to ours.
    """

    pattern: str
    place: str
    layout: Callable[[np.ndarray], np.ndarray] = np.asarray


def _conv(kernel: np.ndarray) -> np.ndarray:
    """[out, in, h, w] to [h, w, in, out]."""
    return kernel.transpose(2, 3, 1, 0)


def _norm(pattern: str, place: str) -> list[Rule]:
    """The four arrays of a batch normalisation."""
    return [
        Rule(rf"{pattern}\.weight", f"params/{place}/scale"),
        Rule(rf"{pattern}\.bias", f"params/{place}/bias"),
        Rule(rf"{pattern}\.running_mean", f"batch_stats/{place}/mean"),
        Rule(rf"{pattern}\.running_var", f"batch_stats/{place}/var"),
    ]


RESNET = (
    Rule(r"conv1\.weight", "params/conv1/kernel", _conv),
    *_norm("bn1", "bn1"),
    Rule(r"layer(\d)\.(\d+)\.conv(\d)\.weight", r"params/layer\1_\2/conv\3/kernel", _conv),
    *_norm(r"layer(\d)\.(\d+)\.bn(\d)", r"layer\1_\2/bn\3"),
    Rule(
        r"layer(\d)\.(\d+)\.downsample\.0\.weight", r"params/layer\1_\2/downsample_0/kernel", _conv
    ),
    *_norm(r"layer(\d)\.(\d+)\.downsample\.1", r"layer\1_\2/downsample_1"),
    Rule(r"fc\.weight", "params/fc/kernel", np.transpose),
    Rule(r"fc\.bias", "params/fc/bias"),
)

# A counter that torch keeps and nothing reads at a fixed momentum.
_WITHOUT_PLACE = re.compile(r".*\.num_batches_tracked")
_HEAD = "params/fc/"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Converted:
    """Variables from a state dict.

    Attributes:
      variables: nested dicts of numpy arrays with the shapes of the target.
      replaced: places that kept the target's own values, because the head has another size.
    """

    variables: dict[str, Any]
    replaced: tuple[str, ...]


def to_jax(
    state_dict: Mapping[str, np.ndarray], target: Mapping[str, Any], *, source: str
) -> Converted:
    """The target's variables with the values of a torch state dict.

    Args:
      state_dict: torch's key to array.
      target: variables of the detector, with the values to keep for a head of another size.
      source: what errors call the state dict.

    Raises:
      UserError: where a key has no place, a place no value, or a shape differs.
    """
    places = _flatten(target)
    found = {_place(key, source): key for key in state_dict if not _WITHOUT_PLACE.fullmatch(key)}
    missing, unknown = sorted(set(places) - set(found)), sorted(set(found) - set(places))
    if missing or unknown:
        what = f"{missing[0]} is missing" if missing else f"{found[unknown[0]]} has no place"
        raise UserError(f"{source}: not the weights of this architecture: {what}")
    filled, replaced = {}, []
    for place, own in places.items():
        value = _layout(found[place])(np.asarray(state_dict[found[place]]))
        if value.shape != own.shape and place.startswith(_HEAD):
            replaced.append(place)
            value = np.asarray(own)
        if value.shape != own.shape:
            raise UserError(f"{source}: {found[place]} becomes {value.shape}, not {own.shape}")
        filled[place] = value.astype(own.dtype)
    return Converted(variables=_nest(filled), replaced=tuple(replaced))


def _rule(key: str) -> Rule | None:
    return next((rule for rule in RESNET if re.fullmatch(rule.pattern, key)), None)


def _place(key: str, source: str) -> str:
    rule = _rule(key)
    if rule is None:
        raise UserError(f"{source}: {key} is no name of a torchvision ResNet")
    match = re.fullmatch(rule.pattern, key)
    assert match is not None  # _rule found it by this pattern
    return match.expand(rule.place)


def _layout(key: str) -> Callable[[np.ndarray], np.ndarray]:
    rule = _rule(key)
    assert rule is not None  # _place refused the others
    return rule.layout


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        path = f"{prefix}{name}"
        flat.update(_flatten(value, path + "/") if isinstance(value, Mapping) else {path: value})
    return flat


def _nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, leaf = path.split("/")
        node = nested
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return nested
