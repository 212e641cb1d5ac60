import csv
import dataclasses
import io

import pytest

from jaxdet import metrics
from jaxdet.report import measures, tables
from jaxdet.report.compare import compare
from jaxdet.report.contents import contents_of
from jaxdet.report.load import load_runs
from jaxdet.report.markdown import markdown_text
from jaxdet.report.page import page_html
from jaxdet.results import Calibration

NAMES = {one.name for one in metrics.MEASURES}


@pytest.fixture
def load(make_run):
    """Function of (sets, ...) that gives the run as the report sees it."""
    return lambda sets, **more: load_runs([make_run("a", sets, trained=False, **more)])[0]


@pytest.fixture
def calibrated(load, make_predictions):
    """A run with a validation set."""
    return load({"progan": make_predictions("progan")}, validation=make_predictions("val"))


def test_every_measure_has_a_column_in_the_csv_and_on_the_page(
    calibrated,
):
    one = calibrated.results.sets["progan"]
    assert set(one.measures) == NAMES
    assert set(one.intervals) == {*measures.FIELDS, *NAMES}
    shown = [c.name for c in measures.columns(calibrated.results)]
    assert sorted(shown) == sorted(["accuracy", *NAMES])
    named = sorted(c.name for c in measures._COLUMNS)
    assert sorted(c.name for part in measures.parts(measures._COLUMNS) for c in part) == named


def test_csv_holds_measures_and_intervals_as_they_are_stored(calibrated):
    (line,) = csv.DictReader(io.StringIO(tables.csv_text([calibrated])))
    one = calibrated.results.sets["progan"]
    for name in NAMES:
        ends = tuple(float(line[f"{name}_{end}"]) for end in ("low", "high"))
        assert (float(line[name]), ends) == (one.measures[name], one.intervals[name])
    assert float(line["accuracy_real_high"]) == one.intervals["accuracy_real"][1]


def test_page_and_markdown_show_them_with_their_intervals(calibrated):
    page = " ".join(page_html(contents_of([calibrated])).split())
    text = markdown_text([calibrated], compare([calibrated]))
    one = calibrated.results.sets["progan"]
    for column in measures.columns(calibrated.results):
        number, ends = measures.cell(one, column)
        assert ends
        assert f"{number}<small>{ends}</small>" in page
        assert f" {number} ({ends}) " in text
    line = measures.calibration_line(calibrated.results.calibration)
    assert line.startswith("From 60 real and 60 fake validation images (val): temperature ")
    assert line in page
    for column in measures._COLUMNS:
        is_shown = f"<dt>{column.definition[0]}</dt>" in page
        assert is_shown is (column.name != measures.TWO_SHOT)
    assert "| FPR at the validation threshold for 1 % FPR |" in text
    assert "At the validation threshold for 1 % FPR</th>" in page


def test_a_run_without_validation_says_so(load, make_predictions):
    run = load({"progan": make_predictions("progan")})
    assert measures.NO_CALIBRATION in page_html(contents_of([run]))
    names = {c.name for c in measures.columns(run.results)}
    assert "oracle_accuracy" in names
    assert not {name for name in names if "val" in name or "scaled" in name}
    terms = {term for term, _ in measures.definitions([run])}
    plain = [one for one in metrics.MEASURES if one.of(None, {}) is not None]
    assert terms == {"Accuracy", *(one.definition[0] for one in plain)}
    assert {"Oracle", "ECE"} <= terms
    assert not {"Scaled", "Validation threshold", "Two-shot"} & terms
    assert "held fixed" not in page_html(contents_of([run]))


def test_results_of_before_there_were_measures_have_no_second_table(load, make_predictions):
    run = load({"progan": make_predictions("progan")})
    old = dataclasses.replace(run.results.sets["progan"], measures={}, intervals={})
    run = dataclasses.replace(run, results=dataclasses.replace(run.results, sets={"progan": old}))
    assert measures.columns(run.results) == []
    assert measures.TITLE not in page_html(contents_of([run]))
    assert measures.TITLE not in markdown_text([run], compare([run]))


def test_what_is_not_defined_is_a_dash(load, make_predictions):
    run = load({"reals": make_predictions("a", fake=False)})
    cells = {
        c.name: measures.cell(run.results.sets["reals"], c) for c in measures.columns(run.results)
    }
    assert cells["eer"] == cells["oracle_threshold"] == ("\N{EN DASH}", "")
    assert cells["ece"][0] != "\N{EN DASH}"


def test_calibration_in_words():
    full = Calibration(
        source="val", n_real=5, n_fake=6, temperature=1.2345, thresholds={"fpr_1": None, "fpr_5": 2}
    )
    assert measures.calibration_line(full) == (
        "From 5 real and 6 fake validation images (val): temperature 1.23, 5 % FPR from logit 2.00."
    )
    none = dataclasses.replace(full, temperature=None)
    assert "no temperature is best" in measures.calibration_line(none)


def test_means_of_the_papers(load, make_predictions, generators):
    sets = {name: make_predictions(name, per_label=10) for name in generators}
    run = load(sets)
    lines = {p: (ap, missing) for p, ap, _, missing in measures.protocol_means(run.results)}
    assert lines == {p: (pytest.approx(run.results.means["ap"][p]), []) for p in metrics.PROTOCOLS}
    page = page_html(contents_of([run]))
    for title in measures.PROTOCOL_TITLES.values():
        assert title in page
    assert "missing:" not in page
    text = io.StringIO()
    tables.print_table(run.results, text)
    assert "mean of eleven" in text.getvalue()


def test_a_mean_that_lacks_a_set_is_a_dash_with_its_name(load, make_predictions, generators):
    names = [name for name in generators if name not in ("san", "crn")]
    run = load({name: make_predictions(name, per_label=10) for name in names})
    page = " ".join(page_html(contents_of([run])).split())
    assert 'of the papers<small>missing: crn, san</small></th><td class="n ap">\N{EN DASH}<' in page
    assert "Mean over the eleven sets of the papers: missing crn, san" in markdown_text(
        [run], compare([run])
    )
    text = io.StringIO()
    tables.print_table(run.results, text)
    assert "mean of eight" in text.getvalue()
    assert "mean of eleven" not in text.getvalue()


def test_runs_on_other_sets_are_not_told_of_the_papers(load, make_predictions):
    run = load({"own": make_predictions("a")})
    assert measures.protocol_means(run.results) == []
    assert "Comparable means" not in page_html(contents_of([run]))
