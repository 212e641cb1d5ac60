"""Which dictionary of a checkpoint is the state dict, and what its keys are without wrappers.

Training scripts put weights at the top of a file or under any name, often beside other
dictionaries of tensors (averaged weights, an optimizer's state), and torch's wrappers and
enclosing modules put names before their keys.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

# Names of the dictionaries with arrays in a file, "" for the top, "a.b" for b under a, to their
# keys; one dictionary may have several names. Gives the name of the one to read.
Choose = Callable[[Mapping[str, Collection[str]]], str]
# Deeper than this, and under longer names, nobody keeps weights.
_DEEPEST, _LONGEST_NAME = 3, 100
# What torch's own wrappers put into keys, at any place: DataParallel and averaged models,
# compiled ones, FSDP, activation checkpoints.
_WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
_SHOWN = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class StateDict:
    """The weights of a file.

    Attributes:
      arrays: by torch's key.
      name: of the dictionary that they were in; "" for the top of the file.
      beside: what the file holds beside it, by name.
    """

    arrays: dict[str, np.ndarray]
    name: str = ""
    beside: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence on where the weights were found, where that was not the top."""
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
            if known[id(held)]:
                named[name] = known[id(held)]
        level = deeper
    return named


def _inside(name: str, held: dict[Any, Any]) -> list[tuple[str, dict[Any, Any]]]:
    """The dictionaries in a dictionary, with their names."""
    return [
        (f"{name}.{key}" if name else key, value)
        for key, value in held.items()
        if isinstance(value, dict) and isinstance(key, str) and len(key) <= _LONGEST_NAME
    ]


def first_of_largest(found: Mapping[str, Collection[str]]) -> str:
    """The name of the dictionary with the most keys, the first of several."""
    return max(found, key=lambda name: len(found[name]))


def unwrap(keys: Collection[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Takes off what wrappers put into keys, and the names that all of them begin with.

    No network of ours has all its arrays under one name, so a common one is an enclosing module's.

    Returns:
      Each key without them, and one sentence that names what was taken off, if anything.
    """
    parts = {key: [p for p in key.split(".") if p not in _WRAPPERS] or [key] for key in keys}
    weights = [names for key, names in parts.items() if not is_average_count(key)]
    common = _common([names[:-1] for names in weights])
    bare = {
        key: ".".join(names[len(common) :] if names[: len(common)] == common else names)
        for key, names in parts.items()
    }
    if len(set(bare.values())) < len(bare):
        return {key: key for key in keys}, ()
    inside = [name for name in _WRAPPERS if any(name in key.split(".") for key in keys)]
    taken = ", ".join(shorten(name) + "." for name in (*inside, *common))
    return bare, (f"taken off the keys: {taken}",) if taken else ()


def is_average_count(key: str) -> bool:
    """Returns whether a key is the counter that torch.optim.swa_utils.AveragedModel keeps."""
    return key.rpartition(".")[2] == "n_averaged"


def _common(names: list[list[str]]) -> list[str]:
    """What all lists begin with."""
    if not names:
        return []
    # The smallest and the largest differ where any two do.
    first, last = min(names), max(names)
    pairs = zip(first, last, strict=False)
    same = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(first), len(last)))
    return first[:same]


def shorten(name: str) -> str:
    """A name that a hostile file cannot make fill the screen."""
    return name if len(name) <= 80 and name.isprintable() else ascii(name[:80])
