"""Tabulates benchmarks: their means and minima, their generators, and what others report."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from jaxdet.report.rows import (
    FLOOR_MARK,
    METADATA,
    NONE,
    has_metadata,
    interval,
    marked_ap,
    percent,
    without_evidence,
)
from jaxdet.results import Overall, Results, Scores, Summary
from jaxdet.streams import printable

HEAD = (
    "benchmark", "sets", "AP", "least", "recall", "least", "real", "least", "balanced acc", "least",
    "no evidence",
)  # fmt: skip
NOTE = (
    "Means over a benchmark's sets, and the least of them, of the sets for which a number is "
    "defined; the last line has the mean of the benchmarks' means and the least of these. Recall: "
    "accuracy on fake images. Real: accuracy on real images. Balanced acc: mean of the two. Sets "
    "of fakes alone have a recall only, sets of real images alone an accuracy on these only. No "
    "evidence: sets whose AP does not clearly exceed what sharpness or metadata reach alone."
)
_INTERVAL_NOTE = (
    "Of means and of the least, over the images or their groups drawn again, real and fake apart; "
    "real images that sets share are drawn once for all of them. The least of several noisy "
    "numbers lies below the least of the true ones, and so does its interval."
)
_AT_ZERO = ("balanced", "real", "fake")
_AT_STORED = tuple(f"{name} at 1 %" for name in _AT_ZERO)
_AT_BEST = tuple(f"{name}, oracle" for name in _AT_ZERO)
_GENERATOR_NOTE = (
    "Balanced: mean of the accuracy on real and on fake images. First at logit 0 (probability "
    "0.5){stored}. Oracle: at the threshold of best balanced accuracy, chosen with the labels of "
    "these very images: an upper bound, not a result. {mark}"
)
_STORED_NOTE = "; at 1 %: at the stored threshold, above which 1 % of the validation reals lie"
_METRICS: Mapping[str, str] = MappingProxyType(
    {
        "accuracy": "accuracy",
        "balanced_accuracy": "balanced accuracy",
        "ap": "AP",
        "auc": "AUC",
    }
)
_PUBLISHED_NOTE = (
    "As printed, of the benchmarks by their names here; accuracies at the threshold of 0.5 or the "
    "detector's own, protocols and sets may differ. Mean and least where a line is complete. R: "
    "read in the source, T: in a third party's notes. Sources: "
)


class ReportTable(NamedTuple):
    """Holds a table as text.

    Attributes:
      title: of the table.
      head: titles of the columns.
      lines: cells.
      foot: a last line apart from the others; [] for none.
      note: what the columns mean.
    """

    title: str
    head: Sequence[str]
    lines: list[list[str]]
    foot: list[str]
    note: str


def tables_of(results: Results) -> list[ReportTable]:
    """Returns the tables of a run's benchmarks; [] where it scored none."""
    if not results.benchmarks:
        return []
    *lines, foot = benchmark_lines(results)
    tables = [ReportTable("Benchmarks", HEAD, lines, foot, NOTE), *_intervals(results)]
    tables.append(_generators(results))
    names = [name for name, one in results.benchmarks.items() if one.published]
    return [*tables, _published(results, names)] if names else tables


def benchmark_lines(results: Results) -> list[list[str]]:
    """Returns a line, in the order of `HEAD`, for each benchmark and for all; [] without any."""
    unproven = Counter(
        name.partition(".")[0] for name, one in results.sets.items() if without_evidence(one)
    )
    lines = [
        [*_line(printable(name), one), str(unproven[name])]
        for name, one in results.benchmarks.items()
    ]
    over = results.over_benchmarks
    if over is None:
        return lines
    return [*lines, [*_line("over benchmarks", over, counted=False), str(unproven.total())]]


def _line(title: str, one: Overall, *, counted: bool = True) -> list[str]:
    summaries = (one.ap, one.recall, one.accuracy_real, one.balanced_accuracy)
    cells = [cell for summary in summaries for cell in _cells(summary)]
    return [title, str(one.n) if counted else "", *cells]


def _cells(summary: Summary | None) -> list[str]:
    return [NONE, NONE] if summary is None else [percent(summary.mean), percent(summary.minimum)]


def _intervals(results: Results) -> list[ReportTable]:
    """Returns the table of intervals of means and minima; [] where nothing was drawn."""
    named = [(printable(name), one) for name, one in results.benchmarks.items()]
    if results.over_benchmarks is not None:
        named.append(("over benchmarks", results.over_benchmarks))
    lines = [[name, *_interval_cells(one)] for name, one in named]
    if not any(cell != NONE for line in lines for cell in line[1:]):
        return []
    head = HEAD[:1] + HEAD[2:-1]
    return [ReportTable("Benchmarks, 95 % intervals", head, lines, [], _INTERVAL_NOTE)]


def _interval_cells(one: Overall) -> Iterator[str]:
    for summary in (one.ap, one.recall, one.accuracy_real, one.balanced_accuracy):
        yield interval(None if summary is None else summary.mean_ci95)
        yield interval(None if summary is None else summary.minimum_ci95)


def _generators(results: Results) -> ReportTable:
    """Returns a line for each set of each benchmark, then mean and least of the benchmark."""
    known = results.calibration
    stored = known is not None and known.thresholds.get("fpr_1") is not None
    members: dict[str, dict[str, list[float | None]]] = defaultdict(dict)
    for name, scores in results.sets.items():
        members[name.partition(".")[0]][name] = list(_numbers(scores, stored=stored))
    lines, metadata = [], [METADATA] * has_metadata(results)
    for benchmark, own in members.items():
        for name, (_, *numbers) in own.items():
            one = results.sets[name]
            last = [f"{percent(one.metadata_ap)} {interval(one.metadata_ci95)}" for _ in metadata]
            lines.append([printable(name), marked_ap(one), *map(percent, numbers), *last])
        columns = zip(*own.values(), strict=True)
        defined = [[share for share in column if share is not None] for column in columns]
        means = [sum(shares) / len(shares) if shares else None for shares in defined]
        rest = [""] * len(metadata)
        lines.append([f"{printable(benchmark)}: mean", *map(percent, means), *rest])
        least = [min(shares, default=None) for shares in defined]
        lines.append([f"{printable(benchmark)}: least", *map(percent, least), *rest])
    head = ["set", "AP", "AUC", *_AT_ZERO, *(_AT_STORED if stored else ()), *_AT_BEST, *metadata]
    marks = f"{FLOOR_MARK}: AP does not clearly exceed what sharpness or metadata reach alone."
    note = _GENERATOR_NOTE.format(stored=_STORED_NOTE if stored else "", mark=marks)
    return ReportTable("Generators of the benchmarks", head, lines, [], note)


def _numbers(scores: Scores, *, stored: bool) -> Iterator[float | None]:
    """Yields the numbers of a line of generators."""
    measures = scores.measures
    yield from (scores.ap, scores.auc)
    yield from (measures.get("balanced_accuracy"), scores.accuracy_real, scores.accuracy_fake)
    if stored:
        false, fake = measures.get("fpr_val_fpr_1"), measures.get("tpr_val_fpr_1")
        real = None if false is None else 1 - false
        yield from (None if real is None or fake is None else (real + fake) / 2, real, fake)
    for name in ("oracle_balanced_accuracy", "oracle_accuracy_real", "oracle_accuracy_fake"):
        yield measures.get(name)


def _published(results: Results, names: Sequence[str]) -> ReportTable:
    """Returns ours and each published detector as lines, over the benchmarks as columns."""
    by_line: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    sources: dict[str, dict[str, None]] = defaultdict(dict)
    for name in names:
        for one in results.benchmarks[name].published:
            by_line[one.metric, one.result, one.mark][name] = one.value
            sources[one.source][one.result] = None
    metrics = [metric for metric in _METRICS if any(metric == key[0] for key in by_line)]
    lines = []
    for metric in metrics:
        ours = {name: _mean_of(results.benchmarks[name], metric) for name in names}
        lines.append(_published_line("this run", metric, ours))
        lines += [
            _published_line(f"{result} [{mark}]", metric, {name: own.get(name) for name in names})
            for (of, result, mark), own in by_line.items()
            if of == metric
        ]
    said = "; ".join(f"{', '.join(detectors)}: {source}" for source, detectors in sources.items())
    head = ["detector", "metric", *map(printable, names), "mean", "least"]
    return ReportTable(
        "What others report", head, lines, [], f"{_PUBLISHED_NOTE}{printable(said)}."
    )


def _mean_of(overall: Overall, metric: str) -> float | None:
    summary: Summary | None = getattr(overall, metric)
    return None if summary is None else summary.mean


def _published_line(title: str, metric: str, values: Mapping[str, float | None]) -> list[str]:
    known = [one for one in values.values() if one is not None]
    complete = len(known) == len(values)
    ends = (sum(known) / len(known), min(known)) if complete else (None, None)
    return [printable(title), _METRICS[metric], *map(percent, [*values.values(), *ends])]
