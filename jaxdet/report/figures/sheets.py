"""Writes the figures as files: each on one sheet, with a legend, for a light ground."""

from jaxdet.report import conditions
from jaxdet.report.contents import Contents
from jaxdet.report.figures.bars import ap_bars
from jaxdet.report.figures.lineup import lineup_panels
from jaxdet.report.figures.panels import together
from jaxdet.report.figures.robustness import robustness_panels
from jaxdet.report.figures.spectra import spectrum_panels
from jaxdet.report.figures.style import Drawing
from jaxdet.report.figures.training import training_panels
from jaxdet.report.rows import ranked_names

_WIDTH = 700  # pixels, of the bars


def sheets(contents: Contents) -> list[Drawing]:
    """Returns all figures that the runs have data for; their names are those of the files."""
    runs, drawn = contents.runs, []
    if ranked_names(runs):
        drawn.append(ap_bars(runs, width=_WIDTH, name="ap", legend=True))
    labels = [run.label for run in runs]
    if panels := training_panels(contents.all_runs):
        drawn.append(together(panels, name="training", title="Training", columns=3, width=330,
                              height=250, labels=[run.label for run in contents.all_runs],
                              dashed=False))  # fmt: skip
    for kind in conditions.kinds_of(runs) if ranked_names(runs) else ():
        title = f"AP over {kind.title}"
        drawn.append(together(robustness_panels(runs, kind), name=f"robustness_{kind.key}",
                              title=title, columns=5, width=200, height=165,
                              labels=labels))  # fmt: skip
    if contents.precision_recall:
        drawn.append(together(contents.precision_recall, name="precision_recall",
                              title="Precision over recall", columns=5,
                              width=200, height=175, labels=labels))  # fmt: skip
    if contents.spectra:
        drawn.append(together(spectrum_panels(contents.spectra), name="spectra",
                              title="Average spectra", columns=4, width=200,
                              height=220))  # fmt: skip
    if contents.lineups:
        drawn.append(together(lineup_panels(contents.lineups, labels), name="lineups",
                              title="Images by their score", columns=1, width=840,
                              height=360))  # fmt: skip
    return drawn
