"""Names the runs of a report by their folders, and in a second line by what they differ in."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxdet.streams import printable

# Options that make no other detector, and how many that do a line may name.
_UNTOLD = ("evaluation.published",)
_MOST_TOLD = 3


def folder_labels(paths: Sequence[Path]) -> list[str]:
    """Calls each run by its folder, with as many folders above as tell all of them apart.

    One that is given twice has a number.
    """
    full = [path.resolve().parts for path in paths]
    depth = 1
    while depth < max(map(len, full), default=0) and _alike(full, depth):
        depth += 1
    names = [printable("/".join(parts[-depth:])) for parts in full]
    counts = Counter(names)
    return [
        name if counts[name] == 1 else f"{name} #{place}"
        for place, name in enumerate(names, start=1)
    ]


def differing(options: Sequence[dict[str, Any]], labels: Sequence[str]) -> list[str]:
    """Names the first few options of each run that are not the same in all, with their values."""
    names = [
        name
        for name in dict.fromkeys(name for one in options for name in one)
        if name not in _UNTOLD
        and not name.startswith("runtime.")
        # As text: a list is no key of a dict.
        and len({repr(one.get(name)) for one in options if one}) > 1
    ]
    if [one.get("name") for one in options] == list(labels):
        names = [name for name in names if name != "name"]
    return [_told(one, names) if one else "" for one in options]


def shown(value: Any) -> str:
    """Returns an option or a fact about the machine as a reader would write it."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value)) or "(none)"
    return printable(str(value)) or "(empty)"


def differences_line(labelled: Sequence[tuple[str, str]]) -> str:
    """Returns what the runs differ in, from (label, what differs) of each; "" where in nothing."""
    return "; ".join(f"{label}: {differs}" for label, differs in labelled if differs)


def _alike(full: Sequence[tuple[str, ...]], depth: int) -> bool:
    """Returns whether the ends of different paths are the same."""
    return len({parts[-depth:] for parts in full}) < len(set(full))


def _told(options: dict[str, Any], names: Sequence[str]) -> str:
    said = [printable(f"{name} {shown(options.get(name))}") for name in names[:_MOST_TOLD]]
    return ", ".join(said + (["\N{HORIZONTAL ELLIPSIS}"] if len(names) > _MOST_TOLD else []))
