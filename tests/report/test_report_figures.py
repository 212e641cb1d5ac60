import dataclasses
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from jaxdet.report.figures import bars, training
from jaxdet.report.figures.panels import alone
from jaxdet.report.figures.precision_recall import precision_recall_panels
from jaxdet.report.figures.style import drawn, to_files, to_svg
from jaxdet.report.load import load_runs


@pytest.fixture
def runs(make_run, make_predictions):
    sets = {"pro<gan>": make_predictions("a"), "$x^2$": make_predictions("b", strength=0.1)}
    return load_runs([make_run("a", sets), make_run("b", {"other": make_predictions("c")})])


def _texts(svg):
    return [e.text for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("text")]


def _ap_bars(runs, width=600):
    return to_svg(bars.ap_bars(runs, width=width))


def _svgs(panels):
    return [
        to_svg(alone(panel, name=f"panel {panel.title}", width=300, height=200)) for panel in panels
    ]


def _every_figure(runs):
    panels = [*training.training_panels(runs), *precision_recall_panels(runs)]
    return [_ap_bars(runs), *_svgs(panels)]


def test_figures_are_the_same_every_time(runs):
    assert _every_figure(runs) == _every_figure(runs)


def test_colours_are_the_pages(runs):
    for svg in _every_figure(runs):
        assert "currentColor" in svg
        assert re.search(r"var\(--series-[01]\)", svg)
        assert re.findall(r"#[0-9a-f]{6}", svg.replace("#ffffff", "")) == []
        assert "var(--rule)" in svg


def test_figures_are_bare_elements_without_shared_ids(runs):
    found = [re.findall(r'\bid="([^"]+)"', svg) for svg in _every_figure(runs)]
    everything = [name for names in found for name in names]
    assert len(everything) == len(set(everything)) > 0
    for svg in _every_figure(runs):
        assert svg.startswith("<svg viewBox=")
        assert "<metadata" not in svg


def test_bars_name_sets_and_say_their_ap(runs):
    texts = _texts(_ap_bars(runs))
    for name in ("pro<gan>", "$x^2$", "other"):
        assert name in texts
    for one in (one for run in runs for one in run.results.sets.values()):
        assert f"{100 * one.ap:.1f}" in texts


def test_bars_shorten_long_names(make_run, make_predictions):
    name = "begin_" + "x" * 100 + "_end"
    run = load_runs([make_run("a", {name: make_predictions("a")})])
    for width in (360, 970):
        (short,) = [t for t in _texts(_ap_bars(run, width)) if "…" in t]
        assert len(short) <= width // 24
        assert short.startswith("begin_")
        assert short.endswith("_end")


def test_bars_grow_with_sets_and_runs(runs):
    def height(svg):
        return int(re.search(r'height="(\d+)"', svg)[1])

    few, more = (_ap_bars(chosen) for chosen in (runs[1:], runs))
    assert height(few) < height(more)


def test_bars_start_at_chance_and_the_axis_below_all_that_is_drawn(make_run, make_predictions):
    few = make_predictions("a", per_label=40)
    few = dataclasses.replace(
        few, **{name: getattr(few, name)[:50] for name in ("id", "label", "logit", "sharpness")}
    )  # 40 real, 10 fake
    sets = {"half": make_predictions("b", strength=-1), "fifth": few}
    loaded = load_runs([make_run("a", sets, trained=False)])
    scores = list(loaded[0].results.sets.values())
    assert scores[0].ap < 0.5
    with drawn(bars.ap_bars(loaded, width=600)) as figure:
        (axes,) = figure.axes
        starts = [bar.get_x() for bar in axes.patches]
        ends = [bar.get_x() + bar.get_width() for bar in axes.patches]
        low, _ = axes.get_xlim()
    np.testing.assert_allclose(starts, [50, 20])
    np.testing.assert_allclose(ends, [100 * one.ap for one in scores])
    assert low == 10 < min(100 * one.ap_ci95[0] for one in scores)


def test_whiskers_are_never_negative(runs):
    one = runs[0].results.sets["$x^2$"]
    outside = dataclasses.replace(one, ap=0.5, ap_ci95=(0.6, 0.7))
    none = dataclasses.replace(one, ap_ci95=None)
    inside = dataclasses.replace(one, ap=0.5, ap_ci95=(0.4, 0.75))
    lengths = bars._whiskers([outside, none, inside], np.array([50, np.nan, 50]))
    np.testing.assert_allclose(lengths, [[0, 0, 10], [20, 0, 25]])


def test_curves_without_data_are_left_out(runs):
    panels = _svgs(training.training_panels(runs))
    units = ["cross-entropy, nats", "%", "learning rate"]
    assert [unit in _texts(svg) for svg, unit in zip(panels, units, strict=True)] == [True] * 3
    only_loss = dataclasses.replace(runs[0], curves={"train/loss": [(1, 0.5)]})
    (svg,) = _svgs(training.training_panels([only_loss]))
    assert "Loss" in _texts(svg)
    assert "val/loss" not in _texts(svg)
    assert training.training_panels([dataclasses.replace(runs[0], curves={})]) == []


@pytest.mark.parametrize("rates", [[2e-4, 2e-4], [1e-4, 3e-5, 0.0]])
def test_learning_rates_of_any_kind_have_a_scale(runs, rates):
    curve = {"lr": list(enumerate(rates))}
    (svg,) = _svgs(training.training_panels([dataclasses.replace(runs[0], curves=curve)]))
    assert [t for t in _texts(svg) if re.fullmatch(r"1e-\d", t or "")]


def test_long_curves_are_thinned_to_means():
    values = np.arange(1001.0)
    thin = training._thinned(values)
    assert len(thin) == 251
    np.testing.assert_allclose(thin[:2], [1.5, 5.5])
    assert thin[-1] == 1000
    np.testing.assert_array_equal(training._thinned(values[:300]), values[:300])


def test_letters_that_the_font_lacks_are_no_warning(make_run, make_predictions, recwarn):
    run = load_runs([make_run("a", {"\N{CJK UNIFIED IDEOGRAPH-65E5}": make_predictions("a")})])
    assert "\N{CJK UNIFIED IDEOGRAPH-65E5}" in _texts(_ap_bars(run))
    assert to_files(bars.ap_bars(run, width=300))["png"]
    assert [str(one.message) for one in recwarn if "Glyph" in str(one.message)] == []
