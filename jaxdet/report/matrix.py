"""Compares detectors by generators, with average, least, cost, and one's own threshold."""

import csv
import dataclasses
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jaxdet.pages import spreadsheet_safe
from jaxdet.report.benchmarks import ReportTable
from jaxdet.report.load import Run
from jaxdet.report.reals import OwnThreshold, own_threshold
from jaxdet.report.rows import NONE, of_one_label, percent, set_names
from jaxdet.results import Scores, is_finite
from jaxdet.streams import printable
from jaxdet.workdir.files import read_json

# What a matrix may show of each set, and what it is called.
METRICS: Mapping[str, str] = MappingProxyType(
    {
        "balanced_accuracy": "balanced accuracy",
        "accuracy": "accuracy",
        "ap": "AP",
        "auc": "AUC",
        "recall": "recall",
    }
)
_NOTE = (
    "{metric} in percent; accuracies and recall at logit 0. Average and least are over the sets "
    "for which all detectors have it. Images/s: as recorded while the sets were scored on the "
    "machine of the run, reading and decoding included, the first set of a start, which waits "
    "for the compilation, left out of several; a dash where it was not. Parameters: of the network."
)
_REALS_NOTE = (
    " Threshold: the logit from which on an image is called fake so that at most 1 % of the images "
    "of {folder} are, with its 95 % interval by order statistics; recall at it: share of each "
    "set's fakes found there."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Matrix:
    """Holds what is to be compared of several detectors.

    Attributes:
      runs: of the detectors.
      metric: one of METRICS.
      values: of each run, the metric by set, 0..1; None where a set does not define it.
      shared: sets for which all have it.
      reals: folder of real images; None without.
      thresholds: of each run on these; [] without.
    """

    runs: Sequence[Run]
    metric: str
    values: list[dict[str, float | None]]
    shared: list[str]
    reals: Path | None
    thresholds: list[OwnThreshold]


def make_matrix(runs: Sequence[Run], *, metric: str, reals: Path | None) -> Matrix:
    """Returns the matrix of some runs; with a folder of real images their thresholds on these.

    Raises:
      UserError: where the real images are too few, or cannot be scored.
    """
    values = [{name: _value(one, metric) for name, one in run.results.sets.items()} for run in runs]
    shared = [n for n in set_names(runs) if all(own.get(n) is not None for own in values)]
    thresholds = [own_threshold(run, reals) for run in runs] if reals is not None else []
    return Matrix(
        runs=runs, metric=metric, values=values, shared=shared, reals=reals, thresholds=thresholds
    )


def matrix_table(matrix: Matrix) -> ReportTable:
    """Returns the matrix as text: a line a set, a column a detector, then what is over all sets."""
    runs = matrix.runs
    lines = [
        [printable(name), *(_cell(own.get(name), run, name) for own, run in _pairs(matrix))]
        for name in set_names(runs)
    ]
    lines += [[title, *cells] for title, cells in _summary(matrix)]
    note = _NOTE.format(metric=METRICS[matrix.metric].capitalize())
    if matrix.reals is not None:
        note += _REALS_NOTE.format(folder=printable(str(matrix.reals)))
    head = ["set", *(run.label for run in runs)]
    return ReportTable("Which detector?", head, lines, [], note)


def matrix_csv(matrix: Matrix) -> str:
    """Returns a line for each detector and number; the numbers are as computed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", "set", "number", "value"])
    for place, (own, run) in enumerate(_pairs(matrix)):
        label = spreadsheet_safe(run.label)
        rows: list[tuple[str, str, object]] = [(n, matrix.metric, v) for n, v in own.items()]
        rows += [("", name, of(matrix, place)) for name, of in _OVER_ALL.items()]
        if matrix.thresholds:
            one = matrix.thresholds[place]
            rows += [("", "threshold", one.logit), ("", "n_reals", one.n_reals)]
            rows += [("", "threshold_low", one.ends[0]), ("", "threshold_high", one.ends[1])]
            rows += [(n, "recall_at_threshold", v) for n, v in one.recall.items()]
        writer.writerows([label, spreadsheet_safe(name), what, v] for name, what, v in rows)
    return text.getvalue()


def _pairs(matrix: Matrix) -> Iterable[tuple[dict[str, float | None], Run]]:
    return zip(matrix.values, matrix.runs, strict=True)


def _value(scores: Scores, metric: str) -> float | None:
    real, fake = scores.accuracy_real, scores.accuracy_fake
    if metric in ("ap", "auc"):
        return scores.ap if metric == "ap" else scores.auc
    if metric == "recall":
        return fake
    # Of one label the accuracy is the recall, or the accuracy on real images.
    if real is None or fake is None:
        return None
    return scores.accuracy if metric == "accuracy" else (real + fake) / 2


def _cell(value: float | None, run: Run, name: str) -> str:
    one = run.results.sets.get(name)
    if value is not None or one is None:
        return percent(value)
    return of_one_label(one) or NONE


def _average(matrix: Matrix, place: int) -> float | None:
    values = _shared_values(matrix, place)
    return sum(values) / len(values) if values else None


def _least(matrix: Matrix, place: int) -> float | None:
    return min(_shared_values(matrix, place), default=None)


def _shared_values(matrix: Matrix, place: int) -> list[float]:
    own = matrix.values[place]
    return [value for name in matrix.shared if (value := own.get(name)) is not None]


def _images_per_second(matrix: Matrix, place: int) -> float | None:
    """Returns how fast a run scored its sets by its headline; None where it is not recorded."""
    timed, starts = _timed(matrix.runs[place]), set[str]()
    # A set whose weights, images or settings changed was scored anew: the newest scores count.
    newest = {str(one.get("set")): one.get("fingerprint") for one in timed}
    current, later = [], []
    for one in timed:
        start = str(one.get("start"))
        if one.get("fingerprint") == newest[str(one.get("set"))]:
            current.append(one)
            # The first set of each start waits for the compilation.
            later += [one] if start in starts else []
        starts.add(start)
    counted = later or current
    images = float(sum(one["images"] for one in counted))
    seconds = float(sum(one["seconds"] for one in counted))
    return images / seconds if seconds > 0 else None


def _timed(run: Run) -> list[dict[str, Any]]:
    """Returns the lines of a run's `scoring.json` that are of its headline."""
    path, view = run.folder.scoring, f"({run.results.protocol})"
    lines = read_json(path) if path.is_file() else []
    return [
        one
        for one in (lines if isinstance(lines, list) else [])
        if isinstance(one, dict)
        and str(one.get("set")).endswith(view)
        and is_finite(one.get("images"))
        and is_finite(one.get("seconds"))
    ]


def _parameters(matrix: Matrix, place: int) -> int | None:
    number = matrix.runs[place].results.weights.get("parameters")
    return number if type(number) is int else None


# What stands once for each detector.
_OVER_ALL: Mapping[str, Callable[[Matrix, int], float | None]] = MappingProxyType(
    {
        "average": _average,
        "least": _least,
        "images_per_second": _images_per_second,
        "parameters": _parameters,
    }
)


def _summary(matrix: Matrix) -> list[tuple[str, list[str]]]:
    places = range(len(matrix.runs))
    lines = [
        ("average", [percent(_average(matrix, place)) for place in places]),
        ("least", [percent(_least(matrix, place)) for place in places]),
        ("images/s", [_counted(_images_per_second(matrix, place), ".0f") for place in places]),
        ("parameters", [_counted(_parameters(matrix, place), ",") for place in places]),
    ]
    if not matrix.thresholds:
        return lines
    own = matrix.thresholds
    shared = [name for name in own[0].recall if all(name in one.recall for one in own)]
    recalls = [[one.recall[name] for name in shared] for one in own]
    return [
        *lines,
        ("threshold at 1 %", [f"{one.logit:.2f}" for one in own]),
        ("95 %", [f"{one.ends[0]:.2f} to {one.ends[1]:.2f}" for one in own]),
        ("real images read", [f"{one.n_reals:,}" for one in own]),
        ("unreadable", [f"{one.n_unread:,}" for one in own]),
        ("recall at it, average", [percent(sum(r) / len(r) if r else None) for r in recalls]),
        ("recall at it, least", [percent(min(r, default=None)) for r in recalls]),
    ]


def _counted(number: float | None, form: str) -> str:
    return NONE if number is None else format(number, form)
