import csv
import dataclasses
import io
import json
import re

import pytest

from jaxdet.report import rows, tables
from jaxdet.report.compare import compare
from jaxdet.report.load import load_runs
from jaxdet.report.markdown import markdown_text
from jaxdet.results import Results, Scores, SetResult


class _Terminal(io.StringIO):
    def isatty(self):
        return True

    @property
    def shown(self):
        """What was printed, without colours."""
        return re.sub(r"\x1b\[[\d;]*m", "", self.getvalue())


def _scores(**changes):
    one = {
        "ap": 0.98765, "accuracy": 0.9, "accuracy_real": 1.0, "accuracy_fake": 0.8, "auc": 0.97,
        "n_real": 20, "n_fake": 1000, "ap_ci95": (0.95, 0.99), "sharpness_ap": 0.6,
    }  # fmt: skip
    return {**one, **changes}


def _results(**sets):
    sets = sets or {
        "progan": SetResult(**_scores(), n_skipped=3, categories={"cat": Scores(**_scores())}),
        "reals": SetResult(
            **_scores(
                ap=None, accuracy_fake=None, auc=None, n_fake=0, ap_ci95=None, sharpness_ap=None
            )
        ),
    }
    return Results(name="run", config_hash="", weights={}, sets=sets, mean_ap=0.4938, status="x")


def test_plain_table_is_aligned():
    text = io.StringIO()
    tables.print_table(_results(), text)
    assert text.getvalue().replace(rows.NONE, "-").splitlines()[:-1] == [
        "set               AP       95 %   acc   real  fake   AUC  floor  n real  n fake  skipped",
        "progan          98.8  95.0-99.0  90.0  100.0  80.0  97.0   60.0      20    1000        3",
        "  cat           98.8  95.0-99.0  90.0  100.0  80.0  97.0   60.0      20    1000",
        "reals              -          -  90.0  100.0     -     -      -      20       0        0",
        "mean over sets  49.4",
    ]
    assert "sharpness alone" in text.getvalue().splitlines()[-1]


def test_terminal_table_says_the_same(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    plain, terminal = io.StringIO(), _Terminal()
    tables.print_table(_results(), plain)
    tables.print_table(_results(), terminal)
    words = terminal.shown.split()
    assert [w for w in plain.getvalue().split() if w not in words] == []


def test_terminal_table_takes_names_literally(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    one = SetResult(**_scores(), categories={"[/]": Scores(**_scores())})
    terminal = _Terminal()
    tables.print_table(_results(**{"[red]\x1b[2J": one}), terminal)
    assert "[red]\ufffd[2J" in terminal.shown
    assert "[/]" in terminal.shown


def test_a_narrow_terminal_keeps_every_number(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    terminal = _Terminal()
    tables.print_table(
        _results(**{"a_set_with_a_rather_long_name": SetResult(**_scores())}), terminal
    )
    assert f"95.0{rows.NONE}99.0" in terminal.shown
    assert "1000" in terminal.shown
    assert max(map(len, terminal.shown.splitlines())) <= 80


def test_a_terminal_narrower_than_the_numbers_cuts_none_off(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    plain, terminal = io.StringIO(), _Terminal()
    tables.print_table(_results(), plain)
    tables.print_table(_results(), terminal)
    line = next(one for one in plain.getvalue().splitlines() if one.startswith("progan"))
    assert line.split() in [one.split() for one in terminal.shown.splitlines()]


def test_wide_letters_are_aligned():
    text = io.StringIO()
    tables.print_table(_results(日本=SetResult(**_scores()), ab=SetResult(**_scores())), text)
    lines = text.getvalue().splitlines()
    assert lines[1].index("98.8") + 2 == lines[2].index("98.8")


def test_standard_output_is_the_default(capsys):
    tables.print_table(_results())
    assert "mean over sets  49.4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"sharpness_ap": 0.95}, True),
        ({"sharpness_ap": 0.94}, False),
        ({"ap_ci95": None, "sharpness_ap": 0.98}, False),
        ({"ap_ci95": None, "sharpness_ap": 0.99}, True),
        ({"ap": None, "sharpness_ap": None}, False),  # one class: nothing is ranked
    ],
)
def test_rows_at_the_floor_are_marked(changes, expected):
    results = _results(a=SetResult(**_scores(**changes)))
    ((row, line),) = rows.table(results)
    assert row.at_floor is expected
    assert line[rows.header(results).index("floor")].startswith(rows.FLOOR_MARK) is expected


def test_published_figures_have_a_column_and_a_mean_over_the_same_sets_only():
    known, unknown = SetResult(**_scores(), published_ap=0.985), SetResult(**_scores())
    both = _results(a=known, b=unknown)
    assert rows.header(both)[3] == "published"
    assert [line[3] for _, line in rows.table(both)] == ["98.5", rows.NONE]
    assert rows.mean_line(both)[3] == rows.NONE
    assert rows.mean_line(_results(a=known))[3] == "98.5"
    text = io.StringIO()
    tables.print_table(both, text)
    assert text.getvalue().splitlines()[-2].startswith("published: AP in")
    assert "published" not in rows.header(_results())


def test_csv_holds_the_stored_numbers(make_run, make_predictions):
    path = make_run("a", {"x,\n": make_predictions("x", categories=("c1", "c2"), skipped=("s",)),
                          "real": make_predictions("r", fake=False)})  # fmt: skip
    stored = json.loads((path / "results.json").read_text())["sets"]
    lines = list(csv.DictReader(io.StringIO(tables.csv_text(load_runs([path])))))
    assert [(r["set"], r["category"]) for r in lines] == [
        ("x,\ufffd", ""), ("x,\ufffd", "c1"), ("x,\ufffd", "c2"), ("real", ""),
    ]  # fmt: skip
    kept = [stored["x,\n"], *stored["x,\n"]["categories"].values(), stored["real"]]
    for line, one in zip(lines, kept, strict=True):
        for name in ("ap", "accuracy", "accuracy_real", "accuracy_fake", "auc", "sharpness_ap"):
            assert line[name] == ("" if one[name] is None else repr(one[name]))
        low, high = one["ap_ci95"] or ("", "")
        assert (line["ap_low"], line["ap_high"]) == (str(low), str(high))
        assert (line["n_real"], line["n_fake"]) == (str(one["n_real"]), str(one["n_fake"]))
    assert [r["n_skipped"] for r in lines] == ["1", "", "", "0"]
    assert {r["run"] for r in lines} == {"blur_jpeg_0.5"}


def test_markdown_of_one_run(make_run, make_predictions):
    rows_ = make_predictions("x", categories=("c",))
    runs = load_runs([make_run("a", {"a|b <i> *x*": rows_})])
    text = markdown_text(runs, compare(runs))
    lines = text.splitlines()
    assert lines[0] == r"## blur\_jpeg\_0.5"
    assert lines[4].startswith(r"| a\|b &lt;i> \*x\* | ")
    assert lines[5].startswith("| \N{EM SPACE}c | ")
    assert lines[6].startswith("| mean over sets | ")
    # Every line has as many cells as the header; the escaped bar makes none.
    assert {line.replace("\\|", "").count("|") for line in lines[2:7]} == {12}
    second = lines.index("### Thresholds and calibration") + 2
    assert lines[second].startswith("| set | accuracy at logit 0 | oracle accuracy | ")
    assert len({line.replace("\\|", "").count("|") for line in lines[second : second + 3]}) == 1
    assert "no evidence that the detector works" in text
    assert lines[-1] == (
        "No temperature and no threshold from validation: this run scored no validation set, "
        "and none is stored with its weights."
    )


def test_markdown_of_several_runs(make_run, make_predictions):
    both, one = make_predictions("x"), make_predictions("y")
    paths = [make_run("a", {"x": both, "y": one}), make_run("b", {"x": both})]
    runs = load_runs(paths)
    ap = rows.percent(runs[0].results.sets["x"].ap)
    ends = rows.interval(runs[0].results.sets["x"].ap_ci95)
    lines = markdown_text(runs, compare(runs)).splitlines()
    assert lines[0] == "## AP"
    floor = rows.percent(runs[0].results.sets["x"].sharpness_ap)
    assert f"| x | {ap} ({ends}) | {ap} ({ends}) | {floor} |" in lines
    assert any(line.startswith("| y | ") and f" | {rows.NONE} | " in line for line in lines)
    assert f"| mean over shared sets | {ap} | {ap} |  |" in lines


def test_means_are_compared_over_shared_sets(make_run, make_predictions):
    first = load_runs([make_run("a", {"x": make_predictions("x"), "y": make_predictions("y")})])[0]
    sets = {"y": first.results.sets["y"], "z": first.results.sets["x"]}
    second = dataclasses.replace(first, results=dataclasses.replace(first.results, sets=sets))
    assert rows.shared_means([first, second]) == [first.results.sets["y"].ap] * 2
    lone = dataclasses.replace(
        first, results=dataclasses.replace(first.results, sets={"z": sets["z"]})
    )
    assert rows.shared_means([first, lone]) is None
    assert rows.set_names([first, second]) == ["x", "y", "z"]
