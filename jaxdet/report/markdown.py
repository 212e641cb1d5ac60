"""Writes the tables of the page in Markdown."""

from collections.abc import Sequence

from jaxdet.metrics import Column
from jaxdet.report import benchmarks, measures
from jaxdet.report.begun import SCORED_HEAD, VALIDATION_HEAD, Unscored, validations
from jaxdet.report.chains import ChainTable, chain_tables
from jaxdet.report.compare import MEAN_OF_BOTH, Comparison, Difference, Repeated
from jaxdet.report.labels import differences_line
from jaxdet.report.load import Run
from jaxdet.report.published import Mark, difference_text, set_difference
from jaxdet.report.rows import (
    NONE,
    difference_with_ends,
    header,
    interval,
    marked_ap,
    of_one_label,
    percent,
    set_names,
    shared_baselines,
    shared_means,
    spread,
)
from jaxdet.report.tables import FLOOR_NOTE, body_of, notes
from jaxdet.results import Results, Scores, SetResult
from jaxdet.streams import printable

# Marks a difference whose interval leaves out 0; the sign says it without bold type.
_CLEAR = " \N{DOUBLE DAGGER}"
_CLEAR_NOTE = (
    f"Bold with{_CLEAR}: the 95 % interval, a paired bootstrap over the images, leaves out 0."
)


def markdown_text(
    runs: Sequence[Run], comparison: Comparison, unscored: Sequence[Unscored] = ()
) -> str:
    """Writes the tables of the page: side by side where there are several, then run by run."""
    parts = [_side_by_side(runs), *_comparisons(runs, comparison)] if len(runs) > 1 else []
    for run in runs:
        main = markdown_table(header(run.results), body_of(run.results))
        below = "  \n".join(map(escaped, notes(run.results)))
        parts.append(f"## {escaped(run.label)}\n\n{main}\n{below}\n")
        for one in benchmarks.tables_of(run.results):
            body = [*one.lines, *([one.foot] if one.foot else [])]
            table = markdown_table(list(one.head), body)
            parts.append(f"### {one.title}\n\n{table}\n{escaped(one.note)}\n")
        parts += map(_chain_part, chain_tables(run.results))
        parts += _second_table(run.results)
    return "\n".join([*parts, *map(_unscored_part, unscored)])


def _chain_part(table: ChainTable) -> str:
    return f"### {escaped(table.title)}\n\n{markdown_table(table.head, table.lines)}"


def _unscored_part(one: Unscored) -> str:
    """Returns what there is of a run without results."""
    tables = [(SCORED_HEAD, one.scored), (VALIDATION_HEAD, validations(one.run))]
    parts = [markdown_table(list(head), body) for head, body in tables if body]
    return "\n".join([f"## {escaped(one.run.label)}\n", f"{escaped(one.state)}\n", *parts])


def _protocol_notes(results: Results) -> list[str]:
    """Returns what the means over the papers' sets are over, or why they are not there."""
    return [
        f"{escaped(measures.PROTOCOL_TITLES[protocol])}: "
        + (f"missing {escaped(', '.join(missing))}" if missing else f"mean of {protocol}")
        for protocol, _, _, missing in measures.protocol_means(results)
    ]


def _side_by_side(runs: Sequence[Run]) -> str:
    shared = shared_baselines(runs)
    body = [
        [
            printable(name),
            *(_ap_cell(run.results.sets.get(name), own=shared is None) for run in runs),
            *([] if shared is None else [percent(shared[name])]),
        ]
        for name in set_names(runs)
    ]
    # Means have no baseline.
    rest = [] if shared is None else [""]
    if means := shared_means(runs):
        body.append(["mean over shared sets", *map(percent, means), *rest])
    body += [[title, *map(percent, line), *rest] for title, line in measures.protocol_lines(runs)]
    head = ["set", *(run.label for run in runs), *([] if shared is None else ["floor"])]
    differs = differences_line([(run.label, run.differs) for run in runs])
    said = f"{escaped(differs)}\n\n" if differs else ""
    return f"## AP\n\n{said}{markdown_table(head, body)}\n{escaped(FLOOR_NOTE)}\n"


def _comparisons(runs: Sequence[Run], comparison: Comparison) -> list[str]:
    """Returns the differences from the first run on the same images, and the spread over seeds."""
    parts = []
    if comparison.differences:
        rows = {**comparison.differences, MEAN_OF_BOTH: comparison.means}
        body = [[printable(name), *map(_difference_cell, row)] for name, row in rows.items()]
        title = f"## Difference in AP from {escaped(runs[0].label)}, points\n\n"
        table = markdown_table(["set", *(run.label for run in runs[1:])], body)
        parts.append(f"{title}{table}\n{_CLEAR_NOTE}\n")
    parts += [f"{escaped(line)}\n" for line in comparison.apart]
    return parts + [_repeated_table(group) for group in comparison.repeats]


def _difference_cell(one: Difference | None) -> str:
    if one is None:
        return NONE
    return difference_with_ends(one.ap, one.ends) + (_CLEAR if one.is_clear else "")


def _repeated_table(group: Repeated) -> str:
    title = f"## {len(group.labels)} runs of one config, mean and standard deviation\n\n"
    runs = f"{escaped(', '.join(group.labels))}; seeds {escaped(', '.join(group.seeds))}\n\n"
    body = [[printable(n), spread(group.ap[n]), spread(group.accuracy[n])] for n in group.ap]
    body.append(["mean over sets", spread(group.mean_ap), spread(group.mean_accuracy)])
    return title + runs + markdown_table(["set", "AP", "accuracy"], body)


def _second_table(results: Results) -> list[str]:
    """Returns thresholds and calibration, and which means are missing; [] without either."""
    columns = measures.columns(results)
    notes = _protocol_notes(results)
    parts = ["; ".join(notes) + ".\n"] if notes else []
    if columns:
        names = ["set", *(column.flat for column in columns)]
        body = [
            [printable(name), *(_measure_cell(one, column) for column in columns)]
            for name, one in results.sets.items()
        ]
        parts.append(f"### {measures.TITLE}\n\n{markdown_table(names, body)}")
        parts.append(f"{escaped(measures.calibration_line(results.calibration))}\n")
    return parts


def _measure_cell(scores: Scores, column: Column) -> str:
    number, ends = measures.cell(scores, column)
    return f"{number} ({ends})" if ends else number


def _ap_cell(one: SetResult | None, *, own: bool) -> str:
    """Returns AP, its interval, what is published and, if `own`, the run's sharpness baseline."""
    if one is None:
        return NONE
    if one.ap is None:
        return of_one_label(one)
    said = [interval(one.ap_ci95)] if one.ap_ci95 else []
    if one.published_ap is not None:
        gap = difference_text(set_difference(one))
        said.append(f"published {percent(one.published_ap)}: {gap}")
    said += [f"sharpness baseline {percent(one.sharpness_ap)}"] if own else []
    return marked_ap(one) + (f" ({'; '.join(said)})" if said else "")


def markdown_table(header: list[str], body: list[list[str]]) -> str:
    """Returns a table of plain texts, every cell escaped."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    lines = [[escaped(cell) for cell in header], rule]
    lines += [[_indented(line[0]), *map(_cell, line[1:])] for line in body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    """Escapes a text, in bold where a mark says that a difference is large, or clear."""
    return f"**{escaped(text)}**" if text.endswith((Mark.FAR.value, _CLEAR)) else escaped(text)


def _indented(name: str) -> str:
    """Replaces leading spaces, which Markdown drops, by an em space, and escapes the name."""
    return ("\N{EM SPACE}" if name.startswith("  ") else "") + escaped(name.strip())


def escaped(text: str) -> str:
    """Escapes everything in a text that Markdown or HTML would read as markup."""
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{c}" if c in "\\`*_[]|~#" else c for c in text)
