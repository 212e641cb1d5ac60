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
from jaxdet.results import Results, RunFolder, read_metrics, read_results


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One run, read.

    Attributes:
      folder: where it lies.
      label: what the report calls it; differs between the runs of one report.
      results: what it scored.
      options: dotted option names to the values it ran with; empty where unknown.
      env: where it ran.
      curves: names such as `val/ap` to (step, value) in the order of the steps.
    """

    folder: RunFolder
    label: str
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
    results = [_read_results(path) for path in paths]
    labels = _labels(paths, [printable(one.name) for one in results])
    return [_read_run(*one) for one in zip(paths, labels, results, strict=True)]


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


def printable(name: str) -> str:
    """The name with a mark for whatever would move a cursor or break a file in UTF-8."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


def _read_results(path: Path) -> Results:
    if not path.is_dir():
        raise UserError(f"{path}: no such folder")
    return read_results(RunFolder(path).results)


def _read_run(path: Path, label: str, results: Results) -> Run:
    folder = RunFolder(path)
    return Run(
        folder=folder,
        label=label,
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


def _labels(paths: Sequence[Path], names: Sequence[str]) -> list[str]:
    """The runs' names; where two are equal, with their folder; where those are too, a number."""
    counts = Counter(names)
    full = [
        name if counts[name] == 1 else f"{name} ({printable(path.resolve().name)})"
        for name, path in zip(names, paths, strict=True)
    ]
    counts = Counter(full)
    return [
        label if counts[label] == 1 else f"{label} #{i}" for i, label in enumerate(full, start=1)
    ]


def _docs(section: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            yield from _docs(value, f"{prefix}{field.name}.")
        else:
            unit = field.metadata.get("unit", "")
            yield f"{prefix}{field.name}", field.metadata["doc"] + (f" ({unit})" if unit else "")
