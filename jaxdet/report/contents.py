"""Everything that a report shows, read once."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from jaxdet.errors import UserError
from jaxdet.report.compare import Comparison, compare
from jaxdet.report.figures.panels import Panel
from jaxdet.report.figures.precision_recall import precision_recall_panels
from jaxdet.report.gallery import Gallery, gallery_of
from jaxdet.report.load import Run, load_runs
from jaxdet.report.spectra import SpectrumPair, spectra_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contents:
    """What the files of the runs hold.

    Attributes:
      runs: with their tables and curves.
      comparison: of the runs; empty for one.
      precision_recall: a panel a set that has predictions.
      spectra: of the sets that have them.
      gallery: images that rankings picked.
    """

    runs: tuple[Run, ...]
    comparison: Comparison
    precision_recall: tuple[Panel, ...]
    spectra: tuple[SpectrumPair, ...]
    gallery: Gallery


def read_contents(paths: Sequence[Path]) -> Contents:
    """Reads the folders of runs.

    Raises:
      UserError: where there is none, or a file of one is missing or damaged.
    """
    runs = load_runs(paths)
    if not runs:
        raise UserError("no runs to report on")
    return contents_of(runs)


def contents_of(runs: Sequence[Run]) -> Contents:
    """What the files of these runs hold besides what is read already.

    Raises:
      UserError: where a file is damaged.
    """
    return Contents(
        runs=tuple(runs),
        comparison=compare(runs),
        precision_recall=tuple(precision_recall_panels(runs)),
        spectra=tuple(spectra_of(runs)),
        gallery=gallery_of(runs),
    )
