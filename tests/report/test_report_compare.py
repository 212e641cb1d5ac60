import dataclasses
import re
import statistics
from pathlib import Path

import numpy as np
import pytest

from jaxdet import metrics
from jaxdet.errors import UserError
from jaxdet.report import latex, papers, rows
from jaxdet.report.compare import compare
from jaxdet.report.contents import contents_of
from jaxdet.report.load import load_runs
from jaxdet.report.markdown import markdown_text
from jaxdet.report.page import page_html
from tests.golden import tables

DRAWS = 40


@pytest.fixture
def runs(make_run):
    """Function of (sets of each run, options of each run) that gives the runs."""

    def runs(*sets, seeds=None, names=None):
        seeds = seeds or [0] * len(sets)
        names = names or ["blur_jpeg_0.5"] * len(sets)
        paths = [
            make_run(f"run{i}", one, trained=False, seed=seeds[i], name=names[i])
            for i, one in enumerate(sets)
        ]
        return [
            dataclasses.replace(run, options={**run.options, "evaluation.bootstrap": DRAWS})
            for run in load_runs(paths)
        ]

    return runs


def _noisy(rows, seed, scale=0.5):
    noise = np.random.default_rng(seed).normal(0, scale, rows.logit.size)
    return dataclasses.replace(rows, logit=(rows.logit + noise).astype(np.float32))


def test_a_difference_is_taken_on_the_images_of_both(runs, make_predictions):
    first = make_predictions("a")
    order = np.random.default_rng(0).permutation(first.id.size)[5:]  # another order, five fewer
    second = dataclasses.replace(
        _noisy(first, 1),
        **{name: getattr(_noisy(first, 1), name)[order] for name in
           ("id", "label", "logit", "sharpness")},
    )  # fmt: skip
    ((one,),) = compare(runs({"a": first}, {"a": second})).differences.values()
    kept = np.sort(order)
    label, old, new = first.label[kept], first.logit[kept], _noisy(first, 1).logit[kept]
    assert one.ap == pytest.approx(
        metrics.average_precision(label, new) - metrics.average_precision(label, old)
    )
    assert one.n_left_out == 5
    drawn = metrics.paired_differences(label, old, new, metrics.ap_of, draws=DRAWS, seed=0)
    assert one.ends == pytest.approx(metrics.interval(drawn))


def test_a_clear_difference_leaves_out_zero(runs, make_predictions):
    weak, strong = (make_predictions("a", strength=s) for s in (0.3, 3))
    found = compare(runs({"a": weak}, {"a": strong}, {"a": weak}))
    better, same = found.differences["a"]
    assert better.is_clear
    assert better.ap > 0.2
    assert (same.ap, same.ends, same.is_clear) == (0, (0, 0), False)


def test_means_are_over_the_sets_of_both(runs, make_predictions):
    a, b = make_predictions("a"), make_predictions("b")
    found = compare(runs({"a": a, "b": b}, {"a": _noisy(a, 1)}, {"b": _noisy(b, 2), "c": a}))
    assert list(found.differences) == ["a", "b"]
    assert found.differences["a"][1] is None
    assert found.means[0].ap == found.differences["a"][0].ap
    assert found.means[1].ap == found.differences["b"][1].ap
    low, high = found.means[0].ends
    assert low <= high


def test_a_set_of_one_class_is_no_part_of_the_differences(runs, make_predictions):
    sets = {"a": make_predictions("a"), "reals": make_predictions("b", fake=False)}
    found = compare(runs(sets, sets))
    assert list(found.differences) == ["a"]
    assert found.means[0].ap == found.differences["a"][0].ap
    assert found.means[0].ends is not None


def test_without_predictions_there_is_no_difference(runs, make_predictions):
    first, second = runs({"a": make_predictions("a")}, {"a": make_predictions("a")})
    second.folder.predictions("a").unlink()
    found = compare([first, second])
    assert (found.differences, found.means) == ({}, [])
    assert "Difference in AP" not in page_html(contents_of([first, second]))
    first.folder.predictions("a").write_bytes(b"PK")
    with pytest.raises(UserError, match="cannot be read as predictions"):
        compare([first, second])


def test_images_that_nobody_shares(runs, make_predictions):
    first, second = make_predictions("a"), make_predictions("a", categories=("x",))
    assert compare(runs({"a": first}, {"a": second})).differences == {}


def test_repeated_runs_are_those_with_other_seeds_alone(runs, make_predictions):
    a = make_predictions("a")
    sets = [{"a": _noisy(a, i)} for i in range(5)]
    names = ["one", "two", "three", "four", "five"]
    loaded = runs(*sets, seeds=[0, 1, 2, 0, 1], names=names)
    for run in loaded[3:]:
        run.options["optim.batch_size"] = 7
    loaded[4].options["model.width"] = 3
    (group,) = compare(loaded).repeats
    assert group.labels == ("run0", "run1", "run2")
    assert group.seeds == ("0", "1", "2")
    values = [run.results.sets["a"].ap for run in loaded[:3]]
    assert group.ap == {
        "a": (pytest.approx(np.mean(values)), pytest.approx(np.std(values, ddof=1)))
    }
    assert group.mean_ap == group.ap["a"]


def test_the_runs_of_supplement_c_are_put_together(make_run, make_predictions):
    a = make_predictions("a")
    paths = [
        make_run(row.name, {"a": _noisy(a, i)}, trained=False, settings=vars(row.config))
        for i, row in enumerate(tables.load("re_supplement_c").rows)
    ]
    (group,) = compare(load_runs(paths)).repeats
    assert group.seeds == ("0", "1", "2")
    assert group.ap["a"][1] > 0


def test_the_mean_of_repeated_runs_is_that_of_their_means(runs, make_predictions):
    sets = [
        {name: _noisy(make_predictions(name), seed) for name in ("a", "b")} for seed in range(3)
    ]
    sets[0]["c"] = make_predictions("c")
    loaded = runs(*sets, seeds=[0, 1, 2])
    (group,) = compare(loaded).repeats
    assert list(group.ap) == ["a", "b"]
    means = [statistics.fmean(run.results.sets[n].ap for n in "ab") for run in loaded]
    assert group.mean_ap == pytest.approx((statistics.fmean(means), statistics.stdev(means)))


def test_a_run_given_twice_is_no_second_training(runs, make_predictions):
    a = {"a": make_predictions("a")}
    assert compare(runs(a, a, seeds=[0, 0])).repeats == []
    assert compare(runs(a, {"b": make_predictions("b")}, seeds=[0, 1])).repeats == []
    assert compare(runs(a)).repeats == []


def test_page_and_markdown_tell_differences_and_spread(runs, make_predictions):
    a = make_predictions("a")
    loaded = runs({"a": a}, {"a": _noisy(a, 1)}, seeds=[0, 1], names=["first", "second"])
    found = compare(loaded)
    page = " ".join(page_html(contents_of(loaded)).split())
    text = markdown_text(loaded, found)
    one = found.differences["a"][0]
    assert f"{100 * one.ap:+.1f}<small>{100 * one.ends[0]:+.1f} to {100 * one.ends[1]:+.1f}" in page
    assert f"| a | {100 * one.ap:+.1f} ({100 * one.ends[0]:+.1f} to " in text
    mean, deviation = found.repeats[0].ap["a"]
    shown = f"{100 * mean:.1f} \N{PLUS-MINUS SIGN} {100 * deviation:.1f}"
    assert shown in page
    assert shown in text
    assert "n = 2 runs (seeds 0, 1)" in page
    tables = latex.comparison_text(loaded, found)
    assert f"a & {latex.escaped(rows.difference_with_ends(one.ap, one.ends))} " in tables
    assert f"a & {latex.escaped(shown)} & " in tables


def test_bold_says_that_the_interval_leaves_out_zero_in_every_form(runs, make_predictions):
    """Also in the mean, which was bold whatever its interval."""
    weak, strong = (make_predictions("a", strength=s) for s in (0.3, 3))
    loaded = runs({"a": weak}, {"a": strong}, {"a": weak})
    found = compare(loaded)
    rises, zero = f"{100 * found.means[0].ap:+.1f}", "+0.0"
    page = " ".join(page_html(contents_of(loaded)).split())
    for place in ("<tbody> <tr>", "<tfoot><tr>"):
        pattern = rf'{place}<th scope="row">[\w ]+</th> *<td class="n ap">\{rises}<small>[^/]+'
        assert re.search(rf'{pattern}/small></td> *<td class="n">\{zero}<small>', page)
    css = Path(page_html.__code__.co_filename).with_name("templates") / "style.css"
    bold = re.findall(r"([^}]*tfoot[^{]*){[^}]*font-weight", css.read_text())
    assert [one.strip() for one in bold] == ["tfoot th"]
    lines = markdown_text(loaded, found).splitlines()
    assert [line.count("**") for line in lines if "+0.0 (+0.0" in line] == [2, 2]  # one cell each
    assert r"mean over sets of both & \textbf{" in latex.comparison_text(loaded, found)


@pytest.mark.parametrize("alike", [True, False])
def test_the_sharpness_baseline_stands_in_every_form_of_a_comparison(runs, make_predictions, alike):
    weak, strong = (make_predictions("a", strength=s) for s in (0.0, 3))
    if not alike:  # as of another crop
        strong = dataclasses.replace(strong, sharpness=strong.sharpness[::-1])
    loaded = runs({"a": weak}, {"a": strong})
    scores = [run.results.sets["a"] for run in loaded]
    low, high = (rows.percent(one.ap) for one in scores)
    baselines = [rows.percent(one.sharpness_ap) for one in scores]
    assert (baselines[0] == baselines[1]) is alike
    page = " ".join(page_html(contents_of(loaded)).split())
    assert f"{low}<i>\N{DAGGER}</i><small>" in page
    assert f">{high}<small>" in page
    markdown, paper = markdown_text(loaded, compare(loaded)), papers.markdown_text(loaded)
    tex = papers.latex_text(loaded)
    assert f"| a | {low}\N{DAGGER} (" in markdown
    assert f"| run0 | measured | {low}\N{DAGGER} | " in paper
    assert rf"run0 & measured & {low}\dag{{}} & " in tex
    assert "no evidence that the detector works" in markdown.split("##")[1]
    for text in (page, paper, tex):
        assert "no evidence that the detector works" in text
    if alike:
        assert f'<td class="n muted">{baselines[0]}</td>' in page
        assert f" | {baselines[0]} |\n| mean" in markdown
        assert f"| all runs | sharpness | {baselines[0]} |" in paper
        assert f"all runs & sharpness & {baselines[0]} & " in tex
    else:
        assert all(f"<small>baseline {one}</small>" in page for one in baselines)
        assert all(f"; sharpness baseline {one}) |" in markdown for one in baselines)
        assert f"| run1 | sharpness | {baselines[1]} |" in paper
        assert f" & sharpness & {baselines[1]} & " in tex


def test_rows_of_another_table_are_no_pairs(runs, make_predictions):
    """The ids of a table are numbers of rows: after one was dropped they are those of others."""
    first = dataclasses.replace(make_predictions("a"), numbering="0011")
    shown = make_predictions("b")
    other = dataclasses.replace(_noisy(first, 1), numbering="2233")
    found = runs({"a": first, "b": shown}, {"a": other, "b": shown}, {"a": _noisy(first, 2)})
    comparison = compare(found)
    assert comparison.differences["a"][0] is None
    assert comparison.differences["a"][1] is not None
    assert comparison.differences["b"][0] is not None
    (line,) = comparison.apart
    assert line.startswith("a: ")
    texts = [page_html(contents_of(found)), markdown_text(found, comparison)]
    assert all("no difference is taken" in one for one in texts)
    assert "no difference is taken" in latex.comparison_text(found, comparison)
