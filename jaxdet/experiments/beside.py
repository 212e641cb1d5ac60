"""Prints the table of a paper with what was measured here: every column that the paper prints.

The runs' report has the AP that stands under the same protocol. This one takes accuracies too, and
whatever was scored, and says where numbers cannot be compared.
"""

import csv
import dataclasses
import io
import operator
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from jaxdet.config import Config
from jaxdet.evals.published import RESIZED, published_rows
from jaxdet.experiments.table import Row, Table
from jaxdet.metrics import USUAL_NAMES, family_heads
from jaxdet.pages import spreadsheet_safe
from jaxdet.report.markdown import escaped, markdown_table
from jaxdet.report.rows import TRAINED_MARK, TRAINED_NOTE
from jaxdet.results import Results, Scores, SetResult

_FOLDERS = {usual: folder for folder, usual in USUAL_NAMES.items()}
# The papers' measures to fields of a set's result.
_FIELDS = MappingProxyType(
    {
        "AP": "ap",
        "accuracy": "accuracy",
        "TPR (positive = real)": "accuracy_real",
        "TNR": "accuracy_fake",
    }
)
# Whose categories Wang et al.'s table 6 has.
_BY_CATEGORY = "cyclegan"
_MEANS = ("mAP", "mean")
_TINY = "Tiny form: other images, sizes and epochs. These numbers cannot be compared."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """Holds a printed number and ours, in percent; None where nothing was measured for it."""

    row: str
    source: str
    metric: str
    column: str
    published: float
    measured: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measure:
    """Describes a measure that a paper prints.

    Attributes:
      title: what it is called beside others.
      scored: what of the results it is of, by the name of a set or category.
      read: the measure of one of these, 0..1; None where it was not measured.
    """

    title: str
    scored: Callable[[Results], Mapping[str, Scores]]
    read: Callable[[Scores], float | None]

    def value(self, results: Results, column: str) -> float | None:
        """Returns the measure of a column of the paper's table, 0..1."""
        scored, folder = self.scored(results), _folder(column)
        # "WGAN-GP" may lie in wgan-gp or in wgan_gp, as our maker names it.
        one = scored.get(folder) or scored.get(folder.replace("-", "_"))
        return None if one is None else self.read(one)

    def mean(self, results: Results) -> tuple[float | None, int]:
        """Returns the mean over all that were measured, 0..1, and how many these are."""
        values = [v for one in self.scored(results).values() if (v := self.read(one)) is not None]
        return _mean(values), len(values)


def _measure(source: str, metric: str) -> Measure | None:
    """Returns what a row of published.csv measures; None for what no result holds."""
    if metric not in _FIELDS:
        return None
    _, table, setting, _ = source.split("; ")
    field = operator.attrgetter(_FIELDS[metric])
    if setting.endswith("/ Oracle"):
        return Measure(title="accuracy at the best threshold", scored=_sets, read=_oracle)
    if setting.endswith("/ Two-shot"):
        return Measure(title="two-shot accuracy", scored=_sets, read=_two_shot)
    if table == "table6":
        return Measure(title="accuracy by category of CycleGAN", scored=_categories, read=field)
    if RESIZED in setting:
        return Measure(title=f"{metric}, resized", scored=_resized, read=field)
    return Measure(title=metric, scored=_sets, read=field)


def _sets(results: Results) -> Mapping[str, Scores]:
    return results.sets


def _resized(results: Results) -> Mapping[str, Scores]:
    condition = results.conditions.get("resize")
    return {} if condition is None else condition.sets


def _categories(results: Results) -> Mapping[str, Scores]:
    one = results.sets.get(_BY_CATEGORY)
    return {} if one is None else one.categories


def _oracle(scores: Scores) -> float | None:
    return scores.measures.get("oracle_accuracy")


def _two_shot(scores: Scores) -> float | None:
    two_shot = scores.two_shot if isinstance(scores, SetResult) else None
    return None if two_shot is None else two_shot.accuracy


def pairs_of(row: Row, results: Results) -> Iterator[Pair]:
    """Yields every number of the row's published rows; what two of them print, once."""
    told: set[tuple[str, str]] = set()
    for source in row.published:
        printed = [
            (measure, column, value)
            for metric, column, value in published_rows().get(source, [])
            if (measure := _measure(source, metric))
        ]
        for measure, column, value in printed:
            if (measure.title, column) in told:
                continue
            told.add((measure.title, column))
            columns = [c for m, c, _ in printed if m.title == measure.title and c not in _MEANS]
            yield Pair(
                row=row.name,
                source=source,
                metric=measure.title,
                column=column,
                published=value,
                measured=_measured(results, measure, column, columns),
            )


def _measured(
    results: Results, measure: Measure, column: str, columns: Sequence[str]
) -> float | None:
    """Returns ours in percent; a mean only where all that the paper's is over was scored."""
    if column not in _MEANS:
        return _percent(measure.value(results, column))
    return _mean([_percent(measure.value(results, one)) for one in columns])


def _folder(column: str) -> str:
    """Returns the folder of a set that a paper's column is of."""
    return _FOLDERS.get(column, column.lower())


def measured_elsewhere(row: Row, results: Results, metric: str) -> dict[str, float | None]:
    """Returns a measure in percent of the sets that were scored and have no printed number."""
    measure = _titled(row, metric)
    if measure is None:
        return {}
    printed = {_folder(pair.column) for pair in pairs_of(row, results) if pair.metric == metric}
    printed |= {name.replace("-", "_") for name in printed}
    scored = measure.scored(results)
    return {
        name: _percent(measure.read(one)) for name, one in scored.items() if name not in printed
    }


def csv_text(pairs: Sequence[Pair]) -> str:
    """Returns the CSV text of pairs, a line for each number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in dataclasses.fields(Pair)])
    for pair in map(dataclasses.astuple, pairs):
        writer.writerow(spreadsheet_safe(one) if isinstance(one, str) else one for one in pair)
    return text.getvalue()


def markdown_text(table: Table, measured: Sequence[tuple[Row, Results]]) -> str:
    """Returns a table a measure: two lines a row, printed and measured, a column a set.

    Rows that differ by their seed alone have two lines more, mean and standard deviation.
    """
    pairs = [pair for row, results in measured for pair in pairs_of(row, results)]
    parts = [f"# {escaped(table.title)}", f"Source: {escaped(table.source)}."]
    parts += [_TINY] if table.tiny else []
    for metric in dict.fromkeys(pair.metric for pair in pairs):
        chosen = [pair for pair in pairs if pair.metric == metric]
        parts += [f"## {escaped(metric)}, percent", _table(metric, chosen, measured)]
    parts += [f"{TRAINED_NOTE}."] if any(row.config.data.generator for row, _ in measured) else []
    notes = _notes([row for row, _ in measured])
    parts += ["## Not verified, or otherwise here", "\n".join(notes)] if notes else []
    return "\n\n".join(parts) + "\n"


def _notes(rows: Sequence[Row]) -> list[str]:
    """Returns each note once, with the names of its rows."""
    names: dict[str, list[str]] = {}
    for row in rows:
        if row.unverified:
            names.setdefault(row.unverified, []).append(row.name)
    return [f"- {', '.join(own)}: {escaped(note)}" for note, own in names.items()]


def _table(metric: str, pairs: Sequence[Pair], measured: Sequence[tuple[Row, Results]]) -> str:
    columns = list(dict.fromkeys(pair.column for pair in pairs))
    cells = {(pair.row, pair.column): pair for pair in pairs}
    # Of one decimal or, where a source prints more, of two.
    digits = 1 if all(pair.published == round(pair.published, 1) for pair in pairs) else 2
    heads = family_heads([_folder(column) for column in columns])
    body = [["", "", *heads, ""]] if any(heads) else []
    for row, results in measured:
        printed, ours = (
            [
                cell + TRAINED_MARK * (_folder(column) == row.config.data.generator)
                for cell, column in zip(line, columns, strict=True)
            ]
            for line in _lines([row.name], columns, cells, digits)
        )
        body.append([row.name, "published", *printed, ""])
        body.append(["", _how(row, results), *ours, _mean_of_sets(row, results, metric, digits)])
    for names in _repeats([row for row, _ in measured]):
        printed, ours = _lines(names, columns, cells, digits)
        how = f"mean \N{PLUS-MINUS SIGN} deviation of {len(names)} runs"
        body.append([", ".join(names), f"published, {how}", *printed, ""])
        body.append(["", f"measured, {how}", *ours, ""])
    return markdown_table(["row", "", *columns, f"mean {metric} (sets scored)"], body)


def _mean_of_sets(row: Row, results: Results, metric: str, digits: int) -> str:
    """Returns the mean of a measure over all that was scored, and over how many."""
    measure = _titled(row, metric)
    if measure is None:
        return ""
    mean, count = measure.mean(results)
    return "" if mean is None else f"{_cell([_percent(mean)], digits)} ({count})"


def _titled(row: Row, title: str) -> Measure | None:
    """Returns the measure of this title that a row's published rows print, if any does."""
    measures = (
        _measure(source, metric)
        for source in row.published
        for metric, _, _ in published_rows().get(source, [])
    )
    return next((one for one in measures if one and one.title == title), None)


def _how(row: Row, results: Results) -> str:
    """Returns what was measured: a training by its seed, else the weights that were given."""
    config = row.config
    of = config.model.init if config.task == "eval" else f"seed {config.seed}"
    return f"measured, {of}, {results.protocol} {config.eval_crop}"


def _repeats(rows: Sequence[Row]) -> list[list[str]]:
    """Returns the names of rows that differ by their seed alone, for each such training."""
    names: dict[Config, list[str]] = {}
    for row in rows:
        names.setdefault(dataclasses.replace(row.training, seed=0), []).append(row.name)
    return [alike for alike in names.values() if len(alike) > 1]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _lines(
    names: Sequence[str],
    columns: Sequence[str],
    cells: Mapping[tuple[str, str], Pair],
    digits: int,
) -> tuple[list[str], list[str]]:
    """Returns the cells of what is printed of some rows, and of what was measured of them."""
    own = [[cells.get((name, column)) for name in names] for column in columns]
    return (
        [_cell([pair.published if pair else None for pair in pairs], digits) for pairs in own],
        [_cell([pair.measured if pair else None for pair in pairs], digits) for pairs in own],
    )


def _cell(values: Sequence[float | None], digits: int) -> str:
    """Returns a value, or of several mean and deviation; a dash where one is not known."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return "\N{EN DASH}"
    mean = f"{statistics.fmean(known):.{digits}f}"
    if len(known) == 1:
        return mean
    return f"{mean} \N{PLUS-MINUS SIGN} {statistics.stdev(known):.{digits}f}"
