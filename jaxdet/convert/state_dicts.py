"""Finds the state dicts of a checkpoint, and takes the names of torch's wrappers out of keys.

Training scripts put weights at the top of a file or under any name, often beside other
dictionaries of tensors (averaged weights, an optimizer's state), and torch's wrappers and
enclosing modules put names before their keys.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """Describes arrays of a file that may be the weights to read.

    Attributes:
      name: what --state-dict calls them; "" for the top of the file.
      held: the dictionary of the file that they are in, by its name there.
      entries: the arrays by key, all of that dictionary or some.
    """

    name: str
    held: str
    entries: Mapping[str, Any]


# Names of the dictionaries with arrays in a file, "" for the top, "a.b" for b under a, to their
# arrays; one dictionary may have several names. Gives those to read.
Choose = Callable[[Mapping[str, Mapping[str, Any]]], Choice]
# Deeper than this, under longer names, or under more of them, nobody keeps weights.
_DEEPEST, _LONGEST_NAME, _MOST_NAMES = 3, 100, 1000
# What torch's own wrappers put into keys, at any place: DataParallel and averaged models,
# compiled ones, FSDP, activation checkpoints.
_WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
_SHOWN = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class StateDict:
    """Holds the weights of a file.

    Attributes:
      arrays: by torch's key.
      name: where they were in the file; "" for its top.
      beside: what the file holds beside it, by name.
    """

    arrays: dict[str, np.ndarray]
    name: str = ""
    beside: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Describes in one sentence where the weights were found, where that was not the top."""
        if not self.name:
            return ()
        shown = ", ".join(shorten(name) for name in self.beside[:_SHOWN])
        more = ", ..." if len(self.beside) > _SHOWN else ""
        beside = f"; not read: {shown}{more}" if shown else ""
        return (f"the weights are those under {shorten(self.name)!r}{beside}",)


def dictionaries(
    root: dict[Any, Any], *, holds: Callable[[Any, Any], bool]
) -> dict[str, dict[str, Any]]:
    """Finds the dictionaries with arrays, among nested ones that may be shared.

    Args:
      root: the top of a file, untrusted.
      holds: whether a key and its value are an array of a state dict.

    Returns:
      Name to arrays by key; the same object for each name of one dictionary. Work grows with the
      number of entries, however they are nested.
    """
    known: dict[int, dict[str, Any]] = {}
    named: dict[str, dict[str, Any]] = {}
    level = [("", root)]
    for _ in range(_DEEPEST + 1):
        deeper = []
        for name, held in level:
            if id(held) not in known:
                known[id(held)] = {key: value for key, value in held.items() if holds(key, value)}
                deeper += _inside(name, held)
            if known[id(held)] and len(named) < _MOST_NAMES:
                named[name] = known[id(held)]
        level = deeper
    return named


def _inside(name: str, held: dict[Any, Any]) -> list[tuple[str, dict[Any, Any]]]:
    """Returns the dictionaries in a dictionary, with their names."""
    return [
        (f"{name}.{key}" if name else key, value)
        for key, value in held.items()
        if isinstance(value, dict) and isinstance(key, str) and len(key) <= _LONGEST_NAME
    ]


def beside(root: Mapping[Any, Any], choice: Choice, held: Mapping[str, Any]) -> tuple[str, ...]:
    """Names what a file holds beside the chosen arrays: first what is in their own dictionary."""
    groups: dict[str, list[str]] = {}
    for key in held[choice.held]:
        if key not in choice.entries:
            groups.setdefault(key.partition(".")[0], []).append(key)
    near = [keys[0] if len(keys) == 1 else group for group, keys in groups.items()]
    around = [str(key) for key in root if key != choice.held.partition(".")[0]]
    return (*near, *around) if choice.held else tuple(near)


def first_of_largest(held: Mapping[str, Mapping[str, Any]]) -> Choice:
    """Returns the dictionary with the most keys, the first of several."""
    name = max(held, key=lambda name: len(held[name]))
    return Choice(name=name, held=name, entries=held[name])


def unwrap(keys: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Takes out what torch's wrappers put into keys.

    Returns:
      Each key without them, and the names that were taken out.
    """
    parts = {key: key.split(".") for key in keys}
    bare = {
        key: ".".join(name for name in names if name not in _WRAPPERS) or key
        for key, names in parts.items()
    }
    if len(set(bare.values())) < len(bare):
        return {key: key for key in keys}, []
    return bare, [name for name in _WRAPPERS if any(name in names for names in parts.values())]


def is_average_count(key: str) -> bool:
    """Returns whether a key is the counter that torch.optim.swa_utils.AveragedModel keeps."""
    return key.rpartition(".")[2] == "n_averaged"


def shorten(name: str) -> str:
    """Shortens a name of a file, so that a hostile one cannot fill the screen."""
    return name if len(name) <= 80 and name.isprintable() else ascii(name[:80])
