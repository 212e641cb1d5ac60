"""Loads run folders as the report sees them: plain values, whatever is missing left empty."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jaxdet import config as schema
from jaxdet.errors import UserError
from jaxdet.report.labels import differing, folder_labels
from jaxdet.results import (
    Predictions,
    Results,
    RunFolder,
    is_finite,
    read_arrays,
    read_metrics,
    read_results,
)
from jaxdet.streams import printable
from jaxdet.workdir.files import check_folder, is_step, read_json

OUTDATED = (
    "the results are of before the config was changed (changes.jsonl); the run's next start scores "
    "the sets again"
)
_UNNAMED = schema.Config().name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Begun:
    """Holds a run whose files are read, whether it has results or not.

    Attributes:
      folder: where it lies.
      label: what the report calls it; differs between the runs of one report.
      differs: the options in which it differs from the other runs, in words; "" where in none.
      options: dotted option names to the values it ran with; empty where unknown.
      env: where it ran.
      curves: names such as `val/ap` to (step, value) in the order of the steps.
    """

    folder: RunFolder
    label: str
    differs: str
    options: dict[str, Any]
    env: dict[str, Any]
    curves: dict[str, list[tuple[int, float]]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run(Begun):
    """Holds a run that has results.

    Attributes:
      results: what it scored.
    """

    results: Results

    @property
    def is_outdated(self) -> bool:
        """Returns whether the config was changed after the results were written."""
        if not self.folder.changes.exists():
            return False
        return not schema.is_hash_of(self.results.config_hash, self.folder.config)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Option:
    """Describes an option of the schema or of a run, with the value that each run had.

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
        """Returns whether a run departs from the default; its name, which is its title, aside."""
        return self.name != "name" and any(value != self.default for value in self.values)


def load_runs(paths: Sequence[Path]) -> list[Begun]:
    """Reads the runs, each with a label of its own; those that have results come first.

    Raises:
      UserError: where a folder holds no run, or a file of one is damaged.
    """
    runs = [_read_run(path) for path in paths]
    labels = folder_labels(paths) if len(runs) > 1 else [_title(runs[0])] if runs else []
    differs = differing([run.options for run in runs], labels)
    named = [
        dataclasses.replace(run, label=label, differs=what)
        for run, label, what in zip(runs, labels, differs, strict=True)
    ]
    return sorted(named, key=lambda run: not isinstance(run, Run))


def options_of(runs: Sequence[Begun]) -> list[Option]:
    """Returns every option of the schema or of a run, in the order of the schema."""
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
    """Flattens nested dicts: dotted names to the leaves; an empty dict is a leaf."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, dict) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def read_predictions(run: Run, name: str) -> Predictions | None:
    """Returns the scores of a set's images; None where the run has none of it, or none any more.

    Raises:
      UserError: where the file is damaged.
    """
    path = file_of(run.folder.predictions, name)
    return read_arrays(path, Predictions) if name in run.results.sets and path else None


def file_of(place: Callable[[str], Path], name: str) -> Path | None:
    """Returns the file of a set, by the method of RunFolder that says where; None where none is.

    What is called like a path, or like nothing that can be a file, has none.
    """
    return place(name) if is_step(f"{name}.npz") and place(name).is_file() else None


def _read_run(path: Path) -> Begun:
    """Reads one run, without a label."""
    check_folder(path)
    folder = RunFolder(path)
    files = (folder.results, folder.config, folder.metrics)
    if not any(file.exists() for file in files):
        raise UserError(f"{path}: not a run: it has {_either(files)}{_below(path)}")
    begun = Begun(
        folder=folder,
        label="",
        differs="",
        options=flatten(_optional(folder.config)),
        env=_optional(folder.env),
        curves=_curves(read_metrics(folder.metrics)),
    )
    if not folder.results.exists():
        return begun
    return Run(**vars(begun), results=read_results(folder.results))


def _either(files: Sequence[Path]) -> str:
    return "neither " + " nor ".join(file.name for file in files)


def _below(path: Path) -> str:
    """Returns a hint at the runs inside a folder, where those of a table lie; "" without any."""
    held = sum(RunFolder(child).config.exists() for child in path.iterdir() if child.is_dir())
    return f"; {held} runs lie in it: name them, as in {path}/*" if held else ""


def _title(run: Begun) -> str:
    """Returns the name in the config, or the folder's where the config has none."""
    name = run.results.name if isinstance(run, Run) else run.options.get("name", _UNNAMED)
    return (
        printable(str(name)) if name not in ("", _UNNAMED) else folder_labels([run.folder.path])[0]
    )


def _optional(path: Path) -> dict[str, Any]:
    """Reads a JSON object that may be missing; damage is an error."""
    if not path.exists():
        return {}
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object")
    return value


def _curves(lines: list[dict[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """Returns each name's finite values by step; of lines for one step the last one counts."""
    curves: dict[str, dict[int, float]] = {}
    for line in lines:
        for name, value in line.items():
            if is_finite(value):
                curves.setdefault(name, {})[line["step"]] = float(value)
    return {name: sorted(values.items()) for name, values in curves.items()}


def _docs(section: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            yield from _docs(value, f"{prefix}{field.name}.")
        else:
            unit = field.metadata.get("unit", "")
            yield f"{prefix}{field.name}", field.metadata["doc"] + (f" ({unit})" if unit else "")
