"""Chooses the arrays of a file that are a network's, and takes enclosing modules off their keys.

A trainer that saves itself puts a name before the keys of its network, and beside them its
averaged weights or those of its loss.
"""

import bisect
import dataclasses
import heapq
import itertools
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from jaxdet.convert.architectures import count_known, fitting, is_key, stems
from jaxdet.convert.state_dicts import (
    Choice,
    Choose,
    first_of_largest,
    is_average_count,
    shorten,
    unwrap,
)
from jaxdet.errors import UserError

# Networks have hundreds of arrays, and as much again for each state of an optimiser.
_MOST_ARRAYS = 10_000
# Of the names that may stand before keys, those of the most keys are tried.
_TRIED, _LONGEST_PREFIX, _SHOWN = 16, 200, 8
# Sorts behind any character that a key goes on with.
_LAST = chr(0x10FFFF)


@dataclasses.dataclass(frozen=True)
class _Part:
    """Holds keys of a network, each with what it is without the prefix, "" or "a.b."."""

    prefix: str
    bare: Mapping[str, str]


def make_choose(arch: str | None, name: str | None, *, source: str) -> Choose:
    """Chooses the weights of a file that are named, or else the only ones that fit.

    Args:
      arch: the architecture that they must fit; None for any.
      name: of a dictionary in the file, or what some of its keys begin with; None for any.
      source: what errors call the file.
    """

    def choose(dictionaries: Mapping[str, Mapping[str, Any]]) -> Choice:
        most = max(map(len, dictionaries.values()))
        if most > _MOST_ARRAYS:
            raise UserError(f"{source}: holds {most} arrays, more than any network of jaxdet")
        every = [Choice(name=one, held=one, entries=held) for one, held in dictionaries.items()]
        given = every if name is None else _named(every, name)
        if not given:
            known = dict.fromkeys([*dictionaries, *(fit.name for fit in _fits(every, arch))])
            raise UserError(f"{source}: no --state-dict={name} in it, but {listed(known)}")
        fits = _fits(given, arch)
        candidates = fits if fits or name is None else given
        # One dictionary may have many names.
        if len({(id(dictionaries[one.held]), next(iter(one.entries))) for one in candidates}) > 1:
            raise UserError(
                f"{source}: holds several sets of weights, {listed([c.name for c in candidates])}; "
                "choose one with --state-dict=NAME (for a training by way of "
                "`python -m jaxdet.convert to-jax`)"
            )
        return candidates[0] if candidates else first_of_largest(dictionaries)

    return choose


def bare_keys(
    keys: Collection[str], arch: str | None, *, source: str
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Takes off what wrappers and enclosing modules put into the keys of a network.

    Returns:
      Each key without them, and one sentence that names what was taken off, if anything.

    Raises:
      UserError: where two keys would become one.
    """
    plain, wrappers = unwrap(keys)
    parts = _fitting_parts(keys, arch)
    prefix = parts[0].prefix if parts else _nearest_prefix(plain.values(), arch)
    bare = {key: _without(prefix, name) for key, name in plain.items()}
    inside = {bare[key]: key for key, name in plain.items() if name.startswith(prefix)}
    twice = [key for key, name in bare.items() if inside.get(name, key) != key]
    if twice:
        raise UserError(
            f"{source}: holds both {shorten(inside[bare[twice[0]]])} and {shorten(twice[0])}; what "
            f"is under {shorten(prefix)} alone is read with --state-dict={shorten(prefix[:-1])}"
        )
    return bare, _taken(wrappers, prefix)


def bare_head_keys(keys: Collection[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Takes off what all keys of a head by itself begin with; returns what `bare_keys` does."""
    plain, wrappers = unwrap(keys)
    prefix = _common([name.split(".")[:-1] for name in plain.values()])
    return {k: name.removeprefix(prefix) for k, name in plain.items()}, _taken(wrappers, prefix)


def _taken(wrappers: list[str], prefix: str) -> tuple[str, ...]:
    taken = ", ".join(shorten(name) + "." for name in (*wrappers, *prefix.split(".")) if name)
    return (f"taken off the keys: {taken}",) if taken else ()


def listed(names: Collection[str]) -> str:
    """Joins the first of some names of a file."""
    shown = [shorten(name) or "its top" for name in list(names)[:_SHOWN]]
    return ", ".join(shown) + (", ..." if len(names) > _SHOWN else "")


def _named(every: list[Choice], name: str) -> list[Choice]:
    """Returns the dictionary of that name, or else all keys that begin with it."""
    exact = [one for one in every if one.name == name]
    return exact or [part for one in every if (part := _below(one, name)).entries]


def _below(held: Choice, name: str) -> Choice:
    start = name.removeprefix(held.name + ".") + "."
    plain, _ = unwrap(held.entries)
    entries = {k: held.entries[k] for k, bare in plain.items() if bare.startswith(start)}
    return Choice(name=_join(held.name, start[:-1]), held=held.held, entries=entries)


def _fits(every: list[Choice], arch: str | None) -> list[Choice]:
    """Returns the sets of weights in some dictionaries, the same one looked through once."""
    distinct = {id(one.entries): one.entries for one in every}
    parts = {known: _fitting_parts(keys, arch) for known, keys in distinct.items()}
    return [
        one if len(part.bare) == len(one.entries) else _only(one, part)
        for one in every
        for part in parts[id(one.entries)]
    ]


def _only(held: Choice, part: _Part) -> Choice:
    entries = {key: held.entries[key] for key in part.bare}
    return Choice(name=_join(held.held, part.prefix[:-1]), held=held.held, entries=entries)


def _join(*names: str) -> str:
    return ".".join(filter(None, names))


def _fitting_parts(keys: Collection[str], arch: str | None) -> list[_Part]:
    """Returns the keys that are exactly a network's, once a prefix is off: all of them, or some.

    Only some are taken where none of the others is a key of the network itself.
    """
    plain, _ = unwrap(keys)
    parts = []
    for prefix in _prefixes(plain.values(), arch):
        together = {key: _without(prefix, name) for key, name in plain.items()}
        inside = {key: together[key] for key, name in plain.items() if name.startswith(prefix)}
        others = {name for key, name in together.items() if key not in inside}
        if _architectures(together.values(), arch):
            parts.append(_Part(prefix, together))
        elif any(
            not any(is_key(one, name) for name in others)
            for one in _architectures(inside.values(), arch)
        ):
            parts.append(_Part(prefix, inside))
    return parts


def _without(prefix: str, name: str) -> str:
    """Takes a prefix off a name, or of it as many modules as the name is in."""
    while not name.startswith(prefix):
        above, dot, _ = prefix[:-1].rpartition(".")
        prefix = above + dot
    return name.removeprefix(prefix)


def _architectures(bare: Collection[str], arch: str | None) -> list[str]:
    """Returns the architecture, or all, whose keys these are, each once."""
    names = fitting(bare) if len(set(bare)) == len(bare) else []
    return [name for name in names if arch in (None, name)]


def _nearest_prefix(names: Collection[str], arch: str | None) -> str:
    """Returns the prefix without which the most keys are some network's."""

    def known(prefix: str) -> int:
        bare = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
        return count_known(bare, arch)

    return max(["", *_prefixes(names, arch)], key=known)


def _prefixes(names: Collection[str], arch: str | None) -> list[str]:
    """Returns what may stand before the keys of a network: what stands before its first kernel.

    Where that is not there, it is what all keys begin with.
    """
    prefixes = dict.fromkeys(_before_stems(names, arch))
    common = _common([name.split(".")[:-1] for name in names if not is_average_count(name)])
    if not any(common.startswith(prefix) for prefix in prefixes):
        prefixes[common] = None
    ordered = sorted(names)

    def count(prefix: str) -> int:
        beyond = bisect.bisect(ordered, prefix + _LAST) if prefix else len(ordered)
        return beyond - bisect.bisect_left(ordered, prefix)

    short = [prefix for prefix in prefixes if len(prefix) <= _LONGEST_PREFIX]
    most = heapq.nlargest(_TRIED, short, key=count)
    return [prefix for prefix in prefixes if prefix in most]


def _before_stems(names: Collection[str], arch: str | None) -> Iterator[str]:
    # Of two kernels that a key ends with the longer counts: the name of a network's own part, as
    # dct_resnet18's `network.`, is no prefix. A tower's `visual.` may be one, of another network.
    for among in stems(arch):
        known = {f".{stem}" for stem in among}
        for name in names:
            ends = [stem for stem in known if f".{name}".endswith(stem)]
            if ends:
                yield name[: 1 + len(name) - max(map(len, ends))]


def _common(names: list[list[str]]) -> str:
    """Returns the prefix that all names begin with, of their parts."""
    if not names:
        return ""
    # The smallest and the largest differ where any two do.
    first, last = min(names), max(names)
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(f"{name}." for name, _ in pairs)
