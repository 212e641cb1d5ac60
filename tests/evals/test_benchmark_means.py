import json

import numpy as np
import pytest

from jaxdet.evals.benchmarks import over_benchmarks, over_generators
from jaxdet.results import Results, Scores, Summary, read_results
from jaxdet.workdir.files import to_json


def _scores(ap, real, fake):
    both = real is not None and fake is not None
    return Scores(
        ap=ap if both else None, accuracy=0.5, accuracy_real=real, accuracy_fake=fake,
        auc=0.5 if both else None,
        n_real=0 if real is None else 10, n_fake=0 if fake is None else 10, ap_ci95=None,
        sharpness_ap=0.5,
    )  # fmt: skip


def test_sets_weigh_alike_in_a_benchmark_and_benchmarks_alike_in_all():
    sets = {"a.x": _scores(0.9, 0.8, 0.6), "a.y": _scores(0.5, 1.0, 0.0), "b.x": _scores(1, 1, 1)}
    found = over_generators(sets)
    assert [(name, one.n) for name, one in found.items()] == [("a", 2), ("b", 1)]
    assert found["a"].ap == Summary(mean=pytest.approx(0.7), minimum=0.5)
    assert found["a"].recall == Summary(mean=pytest.approx(0.3), minimum=0.0)
    assert found["a"].balanced_accuracy == Summary(mean=pytest.approx(0.6), minimum=0.5)
    over = over_benchmarks(found)
    assert over.n == 2
    assert over.ap == Summary(mean=pytest.approx(0.85), minimum=pytest.approx(0.7))
    assert over.balanced_accuracy == Summary(mean=pytest.approx(0.8), minimum=pytest.approx(0.6))


def test_fakes_alone_have_a_recall_and_no_ap():
    found = over_generators({"a.x": _scores(1.0, None, 0.25), "b.x": _scores(0.5, 0.5, 0.75)})
    assert (found["a"].ap, found["a"].balanced_accuracy) == (None, None)
    assert found["a"].recall == Summary(mean=0.25, minimum=0.25)
    # Their accuracy is this very recall, which is nothing to compare with accuracies over both.
    assert found["a"].accuracy is None
    over = over_benchmarks(found)
    assert over.ap == Summary(mean=0.5, minimum=0.5)
    assert over.recall == Summary(mean=0.5, minimum=0.25)
    assert over.accuracy == Summary(mean=0.5, minimum=0.5)


def test_without_benchmarks_there_is_nothing():
    assert over_generators({}) == {}
    assert over_benchmarks({}) is None


def test_results_written_before_there_were_means_over_benchmarks_are_read(tmp_path):
    plain = json.loads(
        to_json(
            Results(name="run", config_hash="", weights={}, sets={}, mean_ap=0.5, status="finished")
        )
    )
    del plain["benchmarks"], plain["over_benchmarks"]
    (tmp_path / "results.json").write_text(json.dumps(plain))
    read = read_results(tmp_path / "results.json")
    assert (read.benchmarks, read.over_benchmarks) == ({}, None)


def test_means_and_minima_have_the_intervals_of_their_sets():
    sets = {"a.x": _scores(0.9, 0.8, 0.6), "a.y": _scores(0.5, 1.0, 0.0), "b.x": _scores(1, 1, 1)}
    low, high = np.linspace(0.4, 0.6, 101), np.linspace(0.95, 0.85, 101)
    drawn = {"a.x": {"ap": high}, "a.y": {"ap": low}, "b.x": {"ap": np.ones(101)}}
    found = over_generators(sets, drawn=drawn)
    assert found["a"].ap.mean_ci95 == pytest.approx((0.676, 0.724), abs=2e-3)
    assert found["a"].ap.minimum_ci95 == pytest.approx((0.405, 0.595), abs=1e-3)
    assert found["a"].recall.mean_ci95 is None
    over = over_benchmarks(found, drawn)
    assert over.ap.mean_ci95 == pytest.approx((0.838, 0.862), abs=2e-3)
    plain = json.loads(
        to_json(
            Results(name="run", config_hash="", weights={}, sets={}, mean_ap=0.5, status="finished",
                    benchmarks=found, over_benchmarks=over)
        )
    )  # fmt: skip
    assert plain["benchmarks"]["a"]["ap"]["minimum_ci95"] == pytest.approx([0.405, 0.595], abs=1e-3)
