"""The tables of the page in Markdown."""

from collections.abc import Sequence

from jaxdet.pages import printable
from jaxdet.report import measures
from jaxdet.report.compare import Comparison, Difference, Repeated
from jaxdet.report.load import Run
from jaxdet.report.published import Mark
from jaxdet.report.rows import (
    NONE,
    difference,
    header,
    interval,
    percent,
    set_names,
    shared_means,
    spread,
)
from jaxdet.report.tables import body_of
from jaxdet.results import Results, Scores, SetResult


def markdown_text(runs: Sequence[Run], comparison: Comparison) -> str:
    """The tables of the page in Markdown: side by side where there are several, then each run."""
    parts = [_side_by_side(runs), *_comparisons(runs, comparison)] if len(runs) > 1 else []
    for run in runs:
        main = markdown_table(header(run.results), body_of(run.results))
        parts.append(f"## {escaped(run.label)}\n\n{main}")
        parts += _second_table(run.results)
    return "\n".join(parts)


def _protocol_notes(results: Results) -> list[str]:
    """What the means over the papers' sets are over, or why they are not there."""
    return [
        f"{escaped(measures.PROTOCOL_TITLES[protocol])}: "
        + (f"missing {escaped(', '.join(missing))}" if missing else f"mean of {protocol}")
        for protocol, _, _, missing in measures.protocol_means(results)
    ]


def _side_by_side(runs: Sequence[Run]) -> str:
    body = [
        [printable(name), *(_ap_cell(run.results.sets.get(name)) for run in runs)]
        for name in set_names(runs)
    ]
    means = shared_means(runs)
    if means:
        body.append(["mean over shared sets", *map(percent, means)])
    body += [[title, *map(percent, line)] for title, line in measures.protocol_lines(runs)]
    return "## AP\n\n" + markdown_table(["set", *(run.label for run in runs)], body)


def _comparisons(runs: Sequence[Run], comparison: Comparison) -> list[str]:
    """Differences from the first run on the same images, and spread over seeds."""
    parts = []
    if comparison.differences:
        rows = {**comparison.differences, "mean over sets of both": comparison.means}
        body = [[printable(name), *map(_difference_cell, row)] for name, row in rows.items()]
        title = f"## Difference in AP from {escaped(runs[0].label)}, points\n\n"
        parts.append(title + markdown_table(["set", *(run.label for run in runs[1:])], body))
    return parts + [_repeated_table(group) for group in comparison.repeats]


def _difference_cell(one: Difference | None) -> str:
    if one is None:
        return NONE
    number, ends = difference(one.ap, one.ends)
    return f"{number} ({ends})" if ends else number


def _repeated_table(group: Repeated) -> str:
    title = f"## {len(group.labels)} runs of one config, mean and standard deviation\n\n"
    runs = f"{escaped(', '.join(group.labels))}; seeds {escaped(', '.join(group.seeds))}\n\n"
    body = [[printable(n), spread(group.ap[n]), spread(group.accuracy[n])] for n in group.ap]
    body.append(["mean over sets", spread(group.mean_ap), spread(group.mean_accuracy)])
    return title + runs + markdown_table(["set", "AP", "accuracy"], body)


def _second_table(results: Results) -> list[str]:
    """Thresholds and calibration, and which means are missing; [] where there is neither."""
    columns = measures.columns(results)
    notes = _protocol_notes(results)
    parts = ["; ".join(notes) + ".\n"] if notes else []
    if columns:
        names = ["set", *(f"{c.group} {c.title}".strip() for c in columns)]
        body = [
            [printable(name), *(_measure_cell(one, column) for column in columns)]
            for name, one in results.sets.items()
        ]
        parts.append(f"### {measures.TITLE}\n\n{markdown_table(names, body)}")
        parts.append(f"{escaped(measures.calibration_line(results.calibration))}\n")
    return parts


def _measure_cell(scores: Scores, column: measures.Column) -> str:
    number, ends = measures.cell(scores, column)
    return f"{number} ({ends})" if ends else number


def _ap_cell(one: SetResult | None) -> str:
    if one is None:
        return NONE
    return percent(one.ap) + (f" ({interval(one.ap_ci95)})" if one.ap_ci95 else "")


def markdown_table(header: list[str], body: list[list[str]]) -> str:
    """A table of plain texts, every cell escaped."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    lines = [[escaped(cell) for cell in header], rule]
    lines += [[_indented(line[0]), *map(_cell, line[1:])] for line in body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    """Bold where a mark says that a difference is large."""
    return f"**{escaped(text)}**" if text.endswith(Mark.FAR.value) else escaped(text)


def _indented(name: str) -> str:
    """Markdown drops leading spaces; an em space stays."""
    return ("\N{EM SPACE}" if name.startswith("  ") else "") + escaped(name.strip())


def escaped(text: str) -> str:
    """The text with everything that Markdown or HTML would read as markup made plain."""
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{c}" if c in "\\`*_[]|~#" else c for c in text)
