import csv
import dataclasses
import io
import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from jaxdet import metrics
from jaxdet.report import chains, conditions, latex, markdown, measures, tables
from jaxdet.report.compare import compare
from jaxdet.report.contents import contents_of
from jaxdet.report.figures.panels import alone
from jaxdet.report.figures.precision_recall import MOST_STEPS, precision_recall_panels, thinned
from jaxdet.report.figures.robustness import robustness_panels
from jaxdet.report.figures.style import drawn, to_svg
from jaxdet.report.load import load_runs
from jaxdet.report.page import page_html
from jaxdet.results import read_results
from jaxdet.workdir.files import read_json, write_json
from tests.report.runs import condition

BLUR, JPEG, SCALE, NOISE = conditions.KINDS


@pytest.fixture
def sets(make_predictions):
    return {"progan": make_predictions("progan"), "own": make_predictions("own")}


@pytest.fixture
def run(make_full_run, sets):
    return load_runs([make_full_run("a", sets, trained=False)])[0]


def _texts(panel):
    svg = to_svg(alone(panel, name="x", width=200, height=170))
    return [e.text for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("text")]


def test_protocols_stand_side_by_side(run):
    found = conditions.protocols(run.results)
    assert [title for title, _, _ in found] == [
        "centre crop", "whole image", "resized, then centre crop",
    ]  # fmt: skip
    assert found[0][1] is run.results.sets
    page = page_html(contents_of([run]))
    full = run.results.conditions["full"]
    assert "<h2>Protocols</h2>" in page
    assert f'<td class="n">{100 * full.sets["own"].accuracy:.1f}</td>' in page
    assert f'<td class="n">{100 * full.mean_ap:.1f}</td>' in page


def test_one_protocol_alone_needs_no_table(run):
    only = {n: c for n, c in run.results.conditions.items() if c.kind != "protocol"}
    results = dataclasses.replace(run.results, conditions=only)
    assert conditions.protocols(results) == []
    none = dataclasses.replace(run, results=dataclasses.replace(results, conditions={}))
    page = page_html(contents_of([none]))
    for title in ("Protocols", "Robustness"):
        assert f"<h2>{title}</h2>" not in page
    assert "conditions.csv" not in page


def test_levels_begin_with_images_as_they_are(run):
    results = run.results
    assert [level for level, _, _ in conditions.levels(results, BLUR)] == [0, 1, 3]
    assert [level for level, _, _ in conditions.levels(results, SCALE)] == [1, 0.5, 2]
    jpeg = conditions.levels(results, JPEG)
    assert [conditions.level_name(JPEG, level) for level, _, _ in jpeg] == ["none", "90", "30"]
    assert jpeg[0][1] is results.sets
    assert conditions.series(results, BLUR, "own") == [
        (0, results.sets["own"].ap),
        (1, results.conditions["blur-1"].sets["own"].ap),
        (3, results.conditions["blur-3"].sets["own"].ap),
    ]
    over = list(results.sets)
    mean = conditions.series(results, NOISE, None, over=over)[0]
    assert mean == (0, pytest.approx(results.mean_ap))
    assert conditions.series(results, NOISE, None, over=[*over, "elsewhere"]) == []
    assert conditions.levels(dataclasses.replace(results, conditions={}), BLUR) == []


def test_a_level_that_changes_nothing_is_not_drawn_twice(run):
    again = dataclasses.replace(run.results.conditions["blur-1"], level=0.0)
    results = dataclasses.replace(run.results, conditions={"blur-0": again})
    assert conditions.levels(results, BLUR) == [(0, again.sets, again.mean_ap)]


def test_robustness_has_a_panel_a_set_and_one_of_the_mean(run):
    panels = robustness_panels([run], JPEG)
    assert [panel.title for panel in panels] == ["Mean over sets", "progan", "own"]
    texts = _texts(panels[1])
    assert {"none", "90", "30", "quality", "AP, %"} <= set(texts)
    series = conditions.series(run.results, JPEG, "progan")
    assert {f"{100 * ap:.1f}" for _, ap in (series[0], series[-1])} <= set(texts)


def test_jpeg_falls_to_the_right_with_images_as_they_are_at_the_left(run):
    svg = to_svg(alone(robustness_panels([run], JPEG)[0], name="x", width=200, height=170))
    places = {}
    for element in ElementTree.fromstring(svg).iter():
        if element.tag.endswith("text") and element.text in ("none", "90", "30"):
            places[element.text] = float(
                element.get("x") or element.get("transform").split()[0][10:]
            )
    assert places["none"] < places["90"] < places["30"]


def test_several_runs_are_told_apart_without_colour(run, make_full_run, sets):
    other = load_runs([make_full_run("b", sets, name="other", trained=False, strength=0.2)])[0]
    svg = to_svg(alone(robustness_panels([run, other], BLUR)[0], name="x", width=200, height=170))
    lines = re.findall(
        r'style="fill: none;( stroke-dasharray[^;]*;)?[^"]*stroke: var\(--series-\d', svg
    )
    assert len(lines) == len(set(lines)) == 2
    page = page_html(contents_of([run, other]))
    assert page.count('class="key"') == 4  # two runs, above robustness and above curves
    assert "Each set: other" in page


def test_a_run_without_conditions_may_stand_beside_one_with(run, make_run, sets):
    plain = load_runs([make_run("b", {"own": sets["own"]}, name="plain", trained=False)])[0]
    page = page_html(contents_of([plain, run]))
    assert "<h2>Robustness</h2>" in page
    assert "Each set: plain" not in page
    assert "Each set: blur_jpeg_0.5" in page
    other = load_runs([make_run("c", {"third": sets["own"]}, name="other", trained=False)])[0]
    alone = robustness_panels([other, run], BLUR)  # no set in common, and so no mean
    assert [panel.title for panel in alone] == ["third", "progan", "own"]
    assert "that all runs scored" not in page_html(contents_of([other, run]))


def test_conditions_as_csv_with_the_stored_numbers(run):
    lines = list(csv.DictReader(io.StringIO(conditions.csv_text([run]))))
    assert len(lines) == 2 * (1 + len(run.results.conditions))
    assert (lines[0]["condition"], lines[0]["kind"], lines[0]["level"]) == ("crop", "protocol", "")
    found = {(line["condition"], line["set"]): line for line in lines}
    blurred = found["blur-3", "own"]
    assert blurred["level"] == "3.0"
    assert blurred["ap"] == repr(run.results.conditions["blur-3"].sets["own"].ap)
    assert blurred["n_fake"] == "60"


def test_two_shot_accuracy_stands_between_that_at_zero_and_the_oracle(run):
    names = [c.name for c in measures.columns(run.results)]
    assert names[:3] == ["accuracy", "two_shot", "oracle_accuracy"]
    page = " ".join(page_html(contents_of([run])).split())
    assert "81.2<small>± 6.2</small>" in page
    line = next(csv.DictReader(io.StringIO(tables.csv_text([run]))))
    assert line["two_shot_accuracy_sd"] == "0.0625"
    assert line["two_shot_pairs"] == "9"


def test_without_two_shot_there_is_no_column(make_run, sets):
    run = load_runs([make_run("a", sets, trained=False)])[0]
    assert "two_shot" not in [c.name for c in measures.columns(run.results)]
    assert "<dt>Oracle</dt>" in page_html(contents_of([run]))
    assert "wo-shot" not in page_html(contents_of([run]))  # nor an explanation of it


@pytest.mark.parametrize("case", ["many", "ties", "few", "perfect", "one"])
def test_the_area_under_a_drawn_curve_is_the_ap(case):
    rng = np.random.default_rng(len(case))
    n = {"many": 20_000, "ties": 5000, "few": 9, "perfect": 1000, "one": 3}[case]
    label = (np.arange(n) % 2).astype(np.int32)
    score = rng.normal(label, 1.0)
    if case == "ties":
        score = np.round(score)
    if case == "perfect":
        score = label.astype(float)
    recall, precision = metrics.precision_recall(label, score)
    ends, heights = thinned(recall, precision)
    assert ends.size <= MOST_STEPS
    assert np.all(np.diff(ends, prepend=0.0) > 0)
    assert ends[-1] == 1
    area = np.sum(np.diff(ends, prepend=0.0) * heights)
    assert area == pytest.approx(metrics.average_precision(label, score), abs=1e-12)


def test_few_steps_are_drawn_as_they_are():
    label, score = np.array([1, 0, 1, 1, 0]), np.array([5.0, 4, 3, 3, 1])
    recall, precision = metrics.precision_recall(label, score)
    np.testing.assert_allclose(recall, [1 / 3, 1])
    np.testing.assert_allclose(precision, [1, 3 / 4])
    np.testing.assert_allclose(thinned(recall, precision), (recall, precision))


def test_precision_and_recall_equal_scikit_learns():
    from sklearn.metrics import precision_recall_curve

    rng = np.random.default_rng(3)
    label, score = rng.integers(0, 2, 300), np.round(rng.normal(size=300), 1)
    precision, recall, _ = precision_recall_curve(label, score)
    # Theirs falls, ends at recall 0, and has thresholds that find no further fake.
    rises = np.flatnonzero(np.diff(recall) < 0)
    ours = metrics.precision_recall(label, score)
    np.testing.assert_allclose(ours[0], recall[rises][::-1])
    np.testing.assert_allclose(ours[1], precision[rises][::-1])
    with pytest.raises(ValueError, match="without fake"):
        metrics.precision_recall(np.zeros(3), np.zeros(3))


def test_sets_of_one_class_have_no_curve(make_run, make_predictions):
    sets = {"reals": make_predictions("a", fake=False), "both": make_predictions("b")}
    run = load_runs([make_run("a", sets, trained=False)])[0]
    (panel,) = precision_recall_panels([run])
    assert panel.title == "both"
    ap = f"AP {100 * run.results.sets['both'].ap:.1f}"
    assert {ap, "recall, %", "precision, %"} <= set(_texts(panel))


def test_chance_is_the_share_of_fakes(make_run, make_predictions):
    rows = make_predictions("a", per_label=40)
    few = {name: getattr(rows, name)[:60] for name in ("id", "label", "logit", "sharpness")}
    sets = {"third": dataclasses.replace(rows, **few)}  # 40 real, 20 fake
    run = load_runs([make_run("a", sets, trained=False)])[0]
    (panel,) = precision_recall_panels([run])
    with drawn(alone(panel, name="x", width=200, height=170)) as figure:
        _, chance = figure.axes[0].lines
        np.testing.assert_allclose(chance.get_ydata(), [100 / 3] * 2, atol=0.05)
        assert chance.is_dashed()


@pytest.fixture
def chained(run, sets):
    """A run after the steps of a chain, of which the first is a step of another, too."""
    steps = {
        "long-768": condition("long", 768.0, sets, 0.5),
        "long-768+jpeg-60": condition("chain", None, sets, 1.5),
        "long-768+blur-2": condition("chain", None, sets, 1.0),
    }
    chains = {"web": list(steps)[:2], "long:768+blur:2": ["long-768", "long-768+blur-2"]}
    pooled = {n: dataclasses.replace(one, pooled_auc=0.75, pooled_auc_ci95=(0.7, 0.8))
              for n, one in run.results.sets.items()}  # fmt: skip
    conditions = {**run.results.conditions, **steps}
    results = dataclasses.replace(run.results, conditions=conditions, chains=chains, sets=pooled)
    return dataclasses.replace(run, results=results)


def test_a_chain_is_a_kind_whose_levels_are_its_steps(chained):
    *kinds, web, other = conditions.kinds_of([chained])
    assert kinds == list(conditions.KINDS)
    assert [kind.key for kind in (web, other)] == ["chain_1", "chain_2"]
    results = chained.results
    after = conditions.levels(results, web)
    assert [level for level, _, _ in after] == [0, 1, 2]
    assert after[0][1] is results.sets
    assert after[2][1] is results.conditions["long-768+jpeg-60"].sets
    names = [conditions.level_name(web, level) for level, _, _ in after]
    assert names == ["none", "long side 768", "JPEG 60"]
    texts = _texts(robustness_panels([chained], web)[0])
    assert {"none", "long side", "768", "JPEG", "60", "after"} <= set(texts)


def test_what_each_step_costs_and_the_pooled_auc_are_in_every_table(chained):
    results = chained.results
    aps = [results.sets["own"].ap,
           *(results.conditions[n].sets["own"].ap for n in results.chains["web"])]  # fmt: skip
    cells = [f"{100 * after:.1f} ({100 * (after - before):+.1f})"
             for before, after in itertools.pairwise(aps)]  # fmt: skip
    web, _, pooled = chains.chain_tables(results)
    assert web.head == ["set", "none", "long side 768", "JPEG 60"]
    assert web.lines[1] == ["own", f"{100 * aps[0]:.1f}", *cells]
    assert web.lines[-1][:2] == ["mean over sets", f"{100 * results.mean_ap:.1f}"]
    auc = results.conditions["long-768+jpeg-60"].sets["own"].auc
    assert pooled.lines[1][2] == f"{100 * auc:.1f}"
    assert pooled.lines[1][-2:] == ["75.0", "70.0\N{EN DASH}80.0"]
    assert pooled.lines[-1][-2:] == ["75.0", ""]
    printed = io.StringIO()
    tables.print_table(results, printed)
    texts = {
        "page": page_html(contents_of([chained])),
        "terminal": printed.getvalue(),
        "md": markdown.markdown_text([chained], compare([chained])),
        "tex": latex.latex_text([chained]),
    }
    for name, text in texts.items():
        assert text.count(web.title) == 1, name
        assert cells[1] in text, name
        assert text.count("one ranking") == 1, name


def test_a_chain_of_which_a_condition_is_missing_is_not_shown(chained):
    there = {n: c for n, c in chained.results.conditions.items() if n != "long-768+jpeg-60"}
    run = dataclasses.replace(
        chained, results=dataclasses.replace(chained.results, conditions=there)
    )
    assert [kind.title for kind in conditions.kinds_of([run])[4:]] == ["chain long:768+blur:2"]
    plain = dataclasses.replace(
        chained, label="plain", results=dataclasses.replace(chained.results, chains={})
    )
    assert chains.chain_tables(plain.results) == []
    page = page_html(contents_of([plain, chained]))
    assert page.count("<h4>plain</h4>") == len(conditions.KINDS)
    assert "chain web: what each step costs" in page


def test_chains_are_read_again_and_none_in_older_files(chained, tmp_path):
    write_json(tmp_path / "results.json", chained.results)
    assert read_results(tmp_path / "results.json") == chained.results
    raw = read_json(tmp_path / "results.json")
    del raw["chains"]
    for one in raw["sets"].values():
        del one["pooled_auc"], one["pooled_auc_ci95"]
    write_json(tmp_path / "results.json", raw)
    older = read_results(tmp_path / "results.json")
    assert older.chains == {}
    assert older.sets["own"].pooled_auc is None
