"""Gives a run's numbers as pandas frames: the report's tables and the rows behind them."""

import functools
import os
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from jaxdet.errors import BadArgumentError, MissingLibraryError, UserError
from jaxdet.report import conditions, tables
from jaxdet.report.begun import all_predictions
from jaxdet.report.load import Run, load_runs
from jaxdet.results import Results

if TYPE_CHECKING:
    import pandas as pd


class RunTables:
    """Holds what a run has written; frames are made when they are asked for, and need pandas.

    Attributes:
      folder: where it lies.
      options: dotted names of options, to the values that it ran with.
      env: machine, versions and commit that it ran with.
    """

    def __init__(self, folder: Path):
        """Reads a run folder; see `read_run`."""
        (self._run,) = load_runs([folder])
        self.folder, self.options, self.env = folder, self._run.options, self._run.env

    def __repr__(self) -> str:
        """Names the run and how far it is."""
        run = self._run
        if isinstance(run, Run):
            return f"<run {run.label} in {self.folder}: {len(run.results.sets)} sets scored>"
        return f"<run {run.label} in {self.folder}: no results yet>"

    @property
    def results(self) -> Results:
        """Returns `results.json` as dataclasses.

        Raises:
          UserError: where the run is not finished.
        """
        return self._scored.results

    @property
    def _scored(self) -> Run:
        if isinstance(self._run, Run):
            return self._run
        raise UserError(
            f"{self.folder}: the run has no results yet; its history and the predictions of sets "
            "that are scored can be read"
        )

    @functools.cached_property
    def sets(self) -> "pd.DataFrame":
        """Returns the numbers of each set and, below it, of its categories: `table.csv`'s columns.

        Shares are 0..1; the category of a set itself is "".
        """
        return _frame(tables.raw_lines(self._scored), tables.COLUMNS)

    @functools.cached_property
    def conditions(self) -> "pd.DataFrame":
        """Returns the numbers of each set under each protocol, disturbance and step of a chain.

        The columns are those of `conditions.csv`, shares 0..1; the first rows are the run's own
        protocol.
        """
        return _frame(conditions.raw_lines(self._scored), conditions.COLUMNS)

    @functools.cached_property
    def predictions(self) -> "pd.DataFrame":
        """Returns a row for each image of each set that is scored to its end.

        Its columns are `set`, `category`, `id`, `label` (1 for fake), `logit` (above 0 for fake)
        and `sharpness` (variance of the Laplacian, grey levels squared).
        """
        pd = _pandas()
        parts = [
            pd.DataFrame(
                {
                    "set": name,
                    "category": rows.category,
                    "id": rows.id,
                    "label": rows.label,
                    "logit": rows.logit,
                    "sharpness": rows.sharpness,
                }
            )
            for name, rows in all_predictions(self._run)
        ]
        columns = ["set", "category", "id", "label", "logit", "sharpness"]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)

    @functools.cached_property
    def history(self) -> "pd.DataFrame":
        """Returns the training by step: columns such as `train/loss`, `val/ap` and `lr`.

        NaN stands where a step has no such number.
        """
        pd = _pandas()
        columns = {name: pd.Series(dict(points)) for name, points in self._run.curves.items()}
        return pd.DataFrame(columns).sort_index().rename_axis(index="step")


def read_run(folder: str | os.PathLike[str]) -> RunTables:
    """Returns the numbers of a run folder; of a run that is not finished those that there are.

    Args:
      folder: of `python -m jaxdet.main` or `jaxdet.train`.

    Raises:
      BadArgumentError: where it is no path.
      UserError: where the folder holds no run, or a file of it is damaged.
    """
    if not isinstance(folder, str | os.PathLike) or not os.fspath(folder):
        raise BadArgumentError(f"read_run takes the folder of a run, not {folder!r:.40}")
    return RunTables(Path(folder))


def _frame(lines: Iterable[list[object]], columns: tuple[str, ...]) -> "pd.DataFrame":
    """Returns lines as a frame, without the run's label; numbers that are not there are NaN."""
    frame = _pandas().DataFrame(list(lines), columns=list(columns)).drop(columns="run")
    # A column of None alone would be one of objects.
    return frame.astype(dict.fromkeys(frame.columns[frame.isna().all()], float))


def _pandas() -> ModuleType:
    try:
        import pandas
    except ImportError as error:
        raise MissingLibraryError(
            f"pandas, which makes the frames, cannot be loaded ({error}): "
            "pip install 'jaxdet[notebook]'"
        ) from None
    return pandas
