"""The table of benchmarks: mean and minimum over generators and over benchmarks."""

from jaxdet.report.rows import NONE, percent
from jaxdet.results import Overall, Results, Summary
from jaxdet.streams import printable

TITLE = "Benchmarks"
HEAD = ("benchmark", "sets", "AP", "least", "recall", "least", "balanced acc", "least")
NOTE = (
    "Means over a benchmark's sets, and the least of them; the last line has the mean of the "
    "benchmarks' means and the least of these. Recall: accuracy on fake images. Balanced acc: mean "
    "of the accuracy on real and on fake images."
)


def benchmark_lines(results: Results) -> list[list[str]]:
    """Returns a line, in the order of `HEAD`, for each benchmark and for all; [] without any."""
    lines = [_line(printable(name), one) for name, one in results.benchmarks.items()]
    over = results.over_benchmarks
    return lines if over is None else [*lines, _line("over benchmarks", over, counted=False)]


def _line(title: str, one: Overall, *, counted: bool = True) -> list[str]:
    summaries = (one.ap, one.recall, one.balanced_accuracy)
    cells = [cell for summary in summaries for cell in _cells(summary)]
    return [title, str(one.n) if counted else "", *cells]


def _cells(summary: Summary | None) -> list[str]:
    return [NONE, NONE] if summary is None else [percent(summary.mean), percent(summary.minimum)]
