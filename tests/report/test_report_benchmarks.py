"""The table of benchmarks in every form of a report."""

import dataclasses
import io

import pytest

from jaxdet.report import tables
from jaxdet.report.benchmarks import HEAD, benchmark_lines, tables_of
from jaxdet.report.compare import compare
from jaxdet.report.contents import contents_of
from jaxdet.report.latex import latex_text
from jaxdet.report.load import load_runs
from jaxdet.report.markdown import markdown_text
from jaxdet.report.page import page_html
from jaxdet.report.rows import FLOOR_MARK, at_metadata, header
from jaxdet.report.write import write_report
from jaxdet.results import Overall, Summary

CELLS = ["\N{EN DASH}", "\N{EN DASH}", "75.0", "50.0", "85.0", "70.0", "80.0", "60.0", "0"]


@pytest.fixture
def run(make_run, make_predictions):
    path = make_run("a", {"a|b.x": make_predictions("x")})
    (loaded,) = load_runs([path])
    one = Overall(
        n=2, ap=None, recall=Summary(mean=0.75, minimum=0.5),
        accuracy_real=Summary(mean=0.85, minimum=0.7),
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


def test_a_narrow_terminal_does_not_fold_its_lines(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    text = io.StringIO()
    monkeypatch.setattr(text, "isatty", lambda: True)
    tables.print_table(run.results, text)
    assert ["over", "benchmarks", *CELLS] in [line.split() for line in text.getvalue().splitlines()]


def test_a_set_of_one_label_says_its_recall_in_every_form(make_run, make_predictions, tmp_path):
    both = make_predictions("x")
    fakes = both.label == 1
    alone = dataclasses.replace(
        both,
        **{name: getattr(both, name)[fakes] for name in ("id", "label", "logit", "sharpness")},
    )
    (one,) = load_runs([make_run("a", {"b.x": both, "b.flux": alone})])
    (other,) = load_runs([make_run("c", {"b.flux": alone})])
    recall = f"{100 * (alone.logit > 0).mean():.1f}"
    assert one.results.sets["b.flux"].ap is None
    text = io.StringIO()
    tables.print_table(one.results, text)
    line = next(line for line in text.getvalue().splitlines() if line.startswith("b.flux"))
    dash = "\N{EN DASH}"
    assert line.split() == [
        "b.flux", dash, dash, recall, dash, recall, dash, dash, "0", str(fakes.sum()), "0",
    ]  # fmt: skip
    assert f"| b.flux | recall {recall} |" in markdown_text([one, other], compare([one, other]))
    assert f"b.flux & -- & -- & {recall} & -- & {recall} & -- & -- & 0" in latex_text([one])
    # Neither of two runs, nor both, may have an AP at all.
    for number, shown in enumerate([[one], [other], [one, other]]):
        page = write_report([run.folder.path for run in shown], tmp_path / f"report{number}")
        assert recall in page.read_text()
    assert ">Mean over 1 set<" in (tmp_path / "report0" / "index.html").read_text()


def test_markdown_and_latex_have_it(run):
    text = markdown_text([run], compare([run]))
    assert rf"| a\|b | 2 | {' | '.join(CELLS)} |" in text
    latex = latex_text([run])
    assert r"a\textbar{}b & 2 & -- & -- & 75.0 & 50.0 & 85.0 & 70.0 & 80.0 & 60.0 & 0 \\" in latex
    assert latex.count(r"\begin{table}") == 3  # the sets, the benchmarks, their generators


def test_runs_without_benchmarks_have_none(make_run):
    (plain,) = load_runs([make_run("b")])
    text = io.StringIO()
    tables.print_table(plain.results, text)
    assert "over benchmarks" not in text.getvalue()
    assert "Benchmarks" not in markdown_text([plain], compare([plain]))
    assert latex_text([plain]).count(r"\begin{table}") == 1


def test_what_metadata_reach_stands_beside_the_scores_and_marks_them(run):
    """A set that its sizes alone solve: whatever a detector scores there is no evidence."""
    ((name, one),) = run.results.sets.items()
    solved = dataclasses.replace(one, metadata_ap=1.0, metadata_ci95=(0.99, 1.0))
    results = dataclasses.replace(run.results, sets={name: solved})
    marked = dataclasses.replace(run, results=results)
    assert at_metadata(solved)
    assert not at_metadata(dataclasses.replace(solved, metadata_ap=0.6, metadata_ci95=(0.4, 0.7)))
    assert [line[-1] for line in benchmark_lines(results)] == ["1", "1"]
    assert "metadata" in header(results)
    assert "metadata" not in header(run.results)
    lines = tables.csv_text([marked]).splitlines()
    assert lines[0].endswith("metadata_ap,metadata_low,metadata_high")
    assert lines[1].endswith("1.0,0.99,1.0")
    generators = next(t for t in tables_of(results) if t.title.startswith("Generators"))
    assert generators.lines[0][1].endswith(FLOOR_MARK)
    assert generators.lines[0][-1] == "100.0 99.0\N{EN DASH}100.0"
    text = io.StringIO()
    tables.print_table(results, text)
    assert f"{FLOOR_MARK}100.0" in text.getvalue()
    page = page_html(contents_of([marked]))
    assert "Metadata</th>" in page
    assert "<b>Metadata baseline</b>" in page
