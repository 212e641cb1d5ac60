"""The table of benchmarks in every form of a report."""

import dataclasses
import io

import pytest

from jaxdet.report import tables
from jaxdet.report.benchmarks import HEAD, benchmark_lines
from jaxdet.report.compare import compare
from jaxdet.report.latex import latex_text
from jaxdet.report.load import load_runs
from jaxdet.report.markdown import markdown_text
from jaxdet.results import Overall, Summary

CELLS = ["\N{EN DASH}", "\N{EN DASH}", "75.0", "50.0", "80.0", "60.0"]


@pytest.fixture
def run(make_run, make_predictions):
    path = make_run("a", {"a|b.x": make_predictions("x")})
    (loaded,) = load_runs([path])
    one = Overall(
        n=2, ap=None, recall=Summary(mean=0.75, minimum=0.5),
        balanced_accuracy=Summary(mean=0.8, minimum=0.6),
    )  # fmt: skip
    results = dataclasses.replace(loaded.results, benchmarks={"a|b": one}, over_benchmarks=one)
    return dataclasses.replace(loaded, results=results)


def test_a_line_a_benchmark_and_one_for_all(run):
    assert benchmark_lines(run.results) == [["a|b", "2", *CELLS], ["over benchmarks", "", *CELLS]]
    assert {len(line) for line in benchmark_lines(run.results)} == {len(HEAD)}


@pytest.mark.parametrize("terminal", [False, True])
def test_the_table_is_printed_above_the_notes(run, monkeypatch, terminal):
    text = io.StringIO()
    monkeypatch.setattr(text, "isatty", lambda: terminal)
    tables.print_table(run.results, text)
    lines = [line.split() for line in text.getvalue().splitlines()]
    assert ["a|b", "2", *CELLS] in lines
    assert lines.index(["over", "benchmarks", *CELLS]) < next(
        place for place, line in enumerate(lines) if line and line[0].endswith("floor:")
    )


def test_markdown_and_latex_have_it(run):
    text = markdown_text([run], compare([run]))
    assert rf"| a\|b | 2 | {' | '.join(CELLS)} |" in text
    latex = latex_text([run])
    assert r"a\textbar{}b & 2 & -- & -- & 75.0 & 50.0 & 80.0 & 60.0 \\" in latex
    assert latex.count(r"\begin{table}") == 2


def test_runs_without_benchmarks_have_none(make_run):
    (plain,) = load_runs([make_run("b")])
    text = io.StringIO()
    tables.print_table(plain.results, text)
    assert "over benchmarks" not in text.getvalue()
    assert "Benchmarks" not in markdown_text([plain], compare([plain]))
    assert latex_text([plain]).count(r"\begin{table}") == 1
