"""Run folders as the report sees them: plain values, whatever is missing left empty."""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jaxdet import config as schema
from jaxdet.errors import UserError
from jaxdet.files import read_json
from jaxdet.pages import printable
from jaxdet.results import (
    Predictions,
    Results,
    RunFolder,
    read_arrays,
    read_metrics,
    read_results,
)

# Options that make no other detector, and how many that do a label may name.
_UNTOLD = ("name", "evaluation.published")
_MOST_TOLD = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One run, read.

    Attributes:
      folder: where it lies.
      label: what the report calls it; differs between the runs of one report.
      differs: the options in which it differs from the other runs, in words; "" where in none.
      results: what it scored.
      options: dotted option names to the values it ran with; empty where unknown.
      env: where it ran.
      curves: names such as `val/ap` to (step, value) in the order of the steps.
    """

    folder: RunFolder
    label: str
    differs: str
    results: Results
    options: dict[str, Any]
    env: dict[str, Any]
    curves: dict[str, list[tuple[int, float]]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Option:
    """An option of the schema, with the value that each run had.

    Attributes:
      name: dotted.
      doc: what it is, with its unit; empty where this version does not know it.
      default: None where this version does not know it.
      values: one for each run, None where the run has no such option.
    """

    name: str
    doc: str
    default: Any
    values: tuple[Any, ...]

    @property
    def stands_out(self) -> bool:
        """True where a run departs from the default; its name, which is its title, aside."""
        return self.name != "name" and any(value != self.default for value in self.values)


def load_runs(paths: Sequence[Path]) -> list[Run]:
    """All runs, each with a label of its own.

    Raises:
      UserError: where a folder has no readable results.
    """
    runs = [_read_run(path) for path in paths]
    differs = _differing([run.options for run in runs])
    labels = _labels(paths, [run.label for run in runs], differs)
    return [
        dataclasses.replace(run, label=label, differs=what)
        for run, label, what in zip(runs, labels, differs, strict=True)
    ]


def options_of(runs: Sequence[Run]) -> list[Option]:
    """Every option of the schema or of a run, in the order of the schema."""
    defaults, docs = flatten(schema.to_json_dict(schema.Config())), dict(_docs(schema.Config()))
    names = dict.fromkeys([*defaults, *(name for run in runs for name in run.options)])
    return [
        Option(
            name=name,
            doc=docs.get(name, ""),
            default=defaults.get(name),
            values=tuple(run.options.get(name) for run in runs),
        )
        for name in names
    ]


def flatten(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted names to the leaves of nested dicts; an empty dict is a leaf."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, dict) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def shown(value: Any) -> str:
    """An option or a fact about the machine as a reader would write it."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value)) or "(none)"
    return printable(str(value)) or "(empty)"


def read_predictions(run: Run, name: str) -> Predictions | None:
    """Scores of the images of a set; None where the run has none of it, or none any more.

    Raises:
      UserError: where the file is damaged.
    """
    path = run.folder.predictions(name)
    return read_arrays(path, Predictions) if name in run.results.sets and path.is_file() else None


def _read_run(path: Path) -> Run:
    """The run by itself, called by its name."""
    if not path.is_dir():
        raise UserError(f"{path}: no such folder")
    folder = RunFolder(path)
    results = read_results(folder.results)
    return Run(
        folder=folder,
        label=printable(results.name),
        differs="",
        results=results,
        options=flatten(_optional(folder.config)),
        env=_optional(folder.env),
        curves=_curves(_metrics(folder.metrics)),
    )


def _optional(path: Path) -> dict[str, Any]:
    """A JSON object that an older or evaluated-only run may lack; damage is still an error."""
    if not path.exists():
        return {}
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object")
    return value


def _metrics(path: Path) -> list[dict[str, Any]]:
    try:
        return read_metrics(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None


def _curves(lines: list[dict[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """Each name's finite values by step; of lines for one step the last one counts."""
    found: dict[str, dict[int, float]] = {}
    for line in lines:
        if not isinstance(line, dict) or not isinstance(line.get("step"), int):
            continue
        for name, value in line.items():
            if isinstance(value, int | float) and math.isfinite(value):
                found.setdefault(name, {})[line["step"]] = float(value)
    return {name: sorted(values.items()) for name, values in found.items()}


def _differing(options: Sequence[dict[str, Any]]) -> list[str]:
    """Of each run, the options that are not the same in all, in words; the first few."""
    names = [
        name
        for name in dict.fromkeys(name for one in options for name in one)
        if name not in _UNTOLD
        and not name.startswith("runtime.")
        # As text: a list is no key of a dict.
        and len({repr(one.get(name)) for one in options if one}) > 1
    ]
    return [_told(one, names) if one else "" for one in options]


def _told(options: dict[str, Any], names: Sequence[str]) -> str:
    said = [printable(f"{name} {shown(options.get(name))}") for name in names[:_MOST_TOLD]]
    return ", ".join(said + (["\N{HORIZONTAL ELLIPSIS}"] if len(names) > _MOST_TOLD else []))


def _labels(paths: Sequence[Path], names: Sequence[str], differs: Sequence[str]) -> list[str]:
    """The runs' names; where two are equal with what differs, their folder, or a number."""
    folders = [printable(path.resolve().name) for path in paths]
    labels = _told_apart(_told_apart(names, differs), folders)
    counts = Counter(labels)
    return [
        label if counts[label] == 1 else f"{label} #{i}" for i, label in enumerate(labels, start=1)
    ]


def _told_apart(labels: Sequence[str], hints: Sequence[str]) -> list[str]:
    """Equal labels with their hints, where these tell all runs of that label apart."""
    counts, both = Counter(labels), Counter(zip(labels, hints, strict=True))
    useless = {label for (label, hint), n in both.items() if n > 1 or not hint}
    return [
        label if counts[label] == 1 or label in useless else f"{label} ({hint})"
        for label, hint in zip(labels, hints, strict=True)
    ]


def _docs(section: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            yield from _docs(value, f"{prefix}{field.name}.")
        else:
            unit = field.metadata.get("unit", "")
            yield f"{prefix}{field.name}", field.metadata["doc"] + (f" ({unit})" if unit else "")
