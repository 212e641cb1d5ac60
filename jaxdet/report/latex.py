"""Writes tables for LaTeX with booktabs."""

from collections.abc import Iterator, Sequence
from types import MappingProxyType

from jaxdet.report import benchmarks, published, rows, tables
from jaxdet.report.chains import ChainTable, chain_tables
from jaxdet.report.compare import MEAN_OF_BOTH, Comparison, Difference, Repeated
from jaxdet.report.load import Run
from jaxdet.report.published import Mark, mark_of, mean_difference
from jaxdet.report.weights import equalised_line, weights_line
from jaxdet.streams import printable

NOTE = (
    f"Differences beyond {published.FAR:g} points bold, beyond {published.FARTHER:g} underlined too"
)
RULE = r"\midrule"
_SIGNS = MappingProxyType(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        rows.NONE: "--",
        rows.FLOOR_MARK: r"\dag{}",
        rows.TRAINED_MARK: r"\ddag{}",
        "[": "{[}",  # after the end of a line LaTeX would take it for an option
        "*": "{*}",
        "\N{PLUS-MINUS SIGN}": r"$\pm$",
        "\N{REPLACEMENT CHARACTER}": "?",
    }
)
_STYLES = MappingProxyType(
    {
        Mark.NEAR: "{}",
        Mark.FAR: r"\textbf{{{}}}",
        Mark.FARTHER: r"\underline{{\textbf{{{}}}}}",
    }
)
_HEAD = r"""% Needs \usepackage{booktabs} and, for names beyond ASCII, a font that has them.
% Wider than the page: \usepackage{graphicx} and \resizebox{\textwidth}{!}{...} around the tabular.
"""


def latex_text(runs: Sequence[Run]) -> str:
    """Returns the main table of each run, and those of its benchmarks and chains, if any."""
    found: list[str] = []
    for run in runs:
        found += [_run_table(run), *_benchmark_tables(run)]
        found += [_chain_table(run, one) for one in chain_tables(run.results)]
    return "\n".join(filter(None, found))


def table(
    head: Sequence[str],
    body: Sequence[Sequence[str]],
    *,
    caption: str,
    label: str,
    text_columns: int = 1,
    above: Sequence[str] = (),
) -> str:
    """Returns a table of cells that are LaTeX already.

    Args:
      head: titles of the columns.
      body: lines; one that is `RULE` alone is a rule.
      caption: plain text.
      label: of the table.
      text_columns: how many columns, from the left, are words.
      above: a line above the titles; () for none.
    """
    layout = "l" * text_columns + "r" * (len(head) - text_columns)
    lines = [
        r"\begin{table}", r"  \centering", f"  \\caption{{{escaped(caption)}}}",
        f"  \\label{{tab:{label}}}", f"  \\begin{{tabular}}{{{layout}}}", r"    \toprule",
        *([f"    {_line(above)}"] if above else []), f"    {_line(head)}", r"    \midrule",
        *(f"    {RULE if list(one) == [RULE] else _line(one)}" for one in body),
        r"    \bottomrule", r"  \end{tabular}", r"\end{table}",
    ]  # fmt: skip
    return _HEAD + "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Escapes every sign of a text that LaTeX would take for a command."""
    return "".join(_SIGNS.get(sign, sign) for sign in printable(text))


def difference(points: float | None) -> str:
    """Returns a difference in points, bold beyond 5 and underlined as well beyond 10."""
    return "" if points is None else _STYLES[mark_of(points)].format(f"${points:+.1f}$")


def comparison_text(runs: Sequence[Run], comparison: Comparison) -> str:
    """Writes the tables of differences from the first run, and of runs that differ in seed."""
    parts = [_differences(runs, comparison)] if comparison.differences else []
    parts += [f"{escaped(line)}.\n" for line in comparison.apart]
    return "\n".join([*parts, *map(_repeated, comparison.repeats)])


def _differences(runs: Sequence[Run], comparison: Comparison) -> str:
    lines = {**comparison.differences, MEAN_OF_BOTH: comparison.means}
    body = [[escaped(name), *map(_difference_cell, line)] for name, line in lines.items()]
    return table(
        ["set", *(escaped(run.label) for run in runs[1:])],
        [*body[:-1], [RULE], body[-1]],
        caption=f"Difference in AP from {runs[0].label}, points; bold: the 95 % interval, that "
        "of a paired bootstrap over the images, leaves out 0.",
        label="differences",
    )


def _difference_cell(one: Difference | None) -> str:
    if one is None:
        return escaped(rows.NONE)
    text = escaped(rows.difference_with_ends(one.ap, one.ends))
    return f"\\textbf{{{text}}}" if one.is_clear else text


def _repeated(group: Repeated) -> str:
    body = [
        [
            escaped(name),
            escaped(rows.spread(group.ap[name])),
            escaped(rows.spread(group.accuracy[name])),
        ]
        for name in group.ap
    ]
    means = [
        "mean over sets",
        *map(escaped, map(rows.spread, (group.mean_ap, group.mean_accuracy))),
    ]
    return table(
        ["set", "AP", "accuracy"],
        [*body, [RULE], means],
        caption=f"{', '.join(group.labels)}: mean and standard deviation over "
        f"{len(group.labels)} runs of one config (seeds {', '.join(group.seeds)}), percent.",
        label=_label(f"repeats of {group.labels[0]}"),
    )


def _run_table(run: Run) -> str:
    head = rows.header(run.results)
    body = [
        _cells(line, head, row.difference, indent=row.category is not None)
        for row, line in rows.table(run.results)
    ]
    mean = _cells(rows.mean_line(run.results), head, mean_difference(run.results), indent=False)
    papers = [[escaped(cell) for cell in line] for line in tables.protocol_lines(run.results)]
    return table(
        [escaped(name) for name in head],
        [*body, [RULE], mean, *papers],
        caption=_caption(run),
        label=_label(run.label),
    )


def _benchmark_tables(run: Run) -> Iterator[str]:
    for one in benchmarks.tables_of(run.results):
        foot = [[RULE], [escaped(cell) for cell in one.foot]] if one.foot else []
        yield table(
            [escaped(title) for title in one.head],
            [*([escaped(cell) for cell in line] for line in one.lines), *foot],
            caption=f"{run.label}: percent. {one.note}",
            label=_label(f"{one.title} of {run.label}"),
        )


def _chain_table(run: Run, one: ChainTable) -> str:
    lines = [[escaped(cell) for cell in line] for line in one.lines]
    return table(
        list(map(escaped, one.head)),
        [*lines[:-1], [RULE], lines[-1]],
        caption=f"{run.label}, {one.title}. {one.note}",
        label=_label(f"{one.title} of {run.label}"),
    )


def _cells(line: list[str], head: list[str], points: float | None, *, indent: bool) -> list[str]:
    cells = [escaped(cell) for cell in line]
    if rows.DIFFERENCE in head:
        cells[head.index(rows.DIFFERENCE)] = difference(points)
    return [(r"\quad " if indent else "") + cells[0], *cells[1:]]


def _caption(run: Run) -> str:
    said = f"{run.label}: percent; {tables.FLOOR_NOTE}."
    if published.has_published(run.results):
        said += f" Published: {published.source(run.results)}. {NOTE}."
    lines = (said, weights_line(run.results.weights), equalised_line(run.results))
    return " ".join(filter(None, lines))


def _label(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
