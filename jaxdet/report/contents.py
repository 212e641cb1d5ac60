"""Reads everything that a report shows, once."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from jaxdet.errors import UserError
from jaxdet.report.begun import NOTHING, Unscored, look_at
from jaxdet.report.compare import Comparison, compare
from jaxdet.report.figures.panels import Panel
from jaxdet.report.figures.precision_recall import precision_recall_panels
from jaxdet.report.gallery import Gallery, gallery_of
from jaxdet.report.lineup import Sheet, sheets_of
from jaxdet.report.load import Begun, Run, load_runs
from jaxdet.report.spectra import SpectrumPair, spectra_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contents:
    """Holds what the files of the runs say.

    Attributes:
      runs: those that have results.
      unscored: those that have none.
      comparison: of the runs; empty for one.
      precision_recall: a panel a set that has predictions.
      spectra: of the sets that have them.
      gallery: images that rankings picked.
      lineups: of the sets that have them.
    """

    runs: tuple[Run, ...]
    unscored: tuple[Unscored, ...]
    comparison: Comparison
    precision_recall: tuple[Panel, ...]
    spectra: tuple[SpectrumPair, ...]
    gallery: Gallery
    lineups: tuple[Sheet, ...]

    @property
    def all_runs(self) -> list[Begun]:
        """Returns all runs, those with results first: a run's number is the same among these."""
        return [*self.runs, *(one.run for one in self.unscored)]


def read_contents(paths: Sequence[Path]) -> Contents:
    """Reads the folders of runs.

    Raises:
      UserError: where there is none, a file of one is damaged, or none has anything to show.
    """
    runs = load_runs(paths)
    if not runs:
        raise UserError("no runs to report on")
    return contents_of(runs)


def contents_of(runs: Sequence[Begun]) -> Contents:
    """Reads what the files of these runs hold besides what is read already.

    Raises:
      UserError: where a file is damaged, or no run has anything to show.
    """
    scored = [run for run in runs if isinstance(run, Run)]
    unscored = [look_at(run) for run in runs if not isinstance(run, Run)]
    if not scored and not any(one.has_something for one in unscored):
        raise UserError(f"{', '.join(str(one.run.folder.path) for one in unscored)}: {NOTHING}")
    return Contents(
        runs=tuple(scored),
        unscored=tuple(unscored),
        comparison=compare(scored),
        precision_recall=tuple(precision_recall_panels(scored)),
        spectra=tuple(spectra_of(scored)),
        gallery=gallery_of(scored),
        lineups=tuple(sheets_of(scored)),
    )
