"""What others report of the benchmarks of a suite."""

import csv
import dataclasses
from pathlib import Path

from jaxdet import evals
from jaxdet.config import Evaluation, listed_benchmarks
from jaxdet.evals.benchmarks import over_generators
from jaxdet.evals.suites import suite_figures
from jaxdet.report.benchmarks import tables_of
from jaxdet.results import Overall, Results, SetResult
from tests.golden import configs

LINES = list(csv.DictReader(Path(evals.__file__).with_name("published_suites.csv").open()))


def given(*benchmarks, **options):
    return suite_figures(Evaluation(benchmarks=benchmarks, **options))


def test_every_line_names_a_benchmark_of_the_preset_a_metric_and_a_mark():
    known = {one.name for one in listed_benchmarks(configs.load("suites").evaluation)}
    assert {line["benchmark"] for line in LINES} == known
    assert {line["metric"] for line in LINES} <= set(Overall.__dataclass_fields__)
    assert {line["mark"] for line in LINES} == {"R", "T"}
    assert all(0 < float(line["value"]) < 100 for line in LINES)
    assert len({(x["result"], x["metric"], x["benchmark"], x["source"]) for x in LINES}) == len(
        LINES
    )


def test_the_eleven_of_dda_have_the_printed_average_and_least():
    evaluation = configs.load("suites", "dda").evaluation
    found = suite_figures(evaluation)
    own = [
        one.value for name in found for one in found[name]
        if one.result == "DDA" and one.metric == "accuracy" and "README" in one.source
    ]  # fmt: skip
    assert len(own) == len(listed_benchmarks(evaluation)) == 11
    assert (round(100 * sum(own) / 11, 1), round(100 * min(own), 1)) == (90.7, 81.4)


def test_nothing_stands_beside_a_part_of_a_benchmark_or_where_it_is_not_wanted():
    assert list(given("genimage=x", "mine=y")) == ["genimage"]
    assert given("genimage=x", sets=("genimage.ADM",)) == {}
    assert given("genimage=x", published="none") == {}


def tables_beside(sets):
    """Returns the tables of generators and of published figures."""
    results = Results(
        name="run", config_hash="", weights={}, sets=sets, mean_ap=0.9, status="finished",
        benchmarks=over_generators(sets, given("genimage=x", "evalgen=y")),
    )  # fmt: skip
    return tables_of(results)[1:]


def test_ours_stand_beside_the_published_ones():
    scores = SetResult(
        ap=0.9, accuracy=0.8, accuracy_real=0.7, accuracy_fake=0.9, auc=0.85, n_real=10, n_fake=10,
        ap_ci95=None, sharpness_ap=0.5, measures={"balanced_accuracy": 0.8},
    )  # fmt: skip
    generators, published = tables_beside({"genimage.ADM": scores, "evalgen.flux": scores})
    assert generators.lines[0][:6] == ["genimage.ADM", "90.0", "85.0", "80.0", "70.0", "90.0"]
    assert [line[0] for line in generators.lines[1:3]] == ["genimage: mean", "genimage: least"]
    lines = {tuple(line[:2]): line[2:] for line in published.lines}
    assert published.head[2:] == ["genimage", "evalgen", "mean", "least"]
    assert lines["this run", "accuracy"] == ["80.0"] * 4
    assert lines["DDA [R]", "accuracy"] == ["91.7", "97.2", "94.5", "91.7"]
    assert lines["MIRROR [R]", "balanced accuracy"] == ["99.8", "99.8", "99.8", "99.8"]
    assert lines["FGTS DINOv3-L [R]", "accuracy"] == ["70.1"] + ["\N{EN DASH}"] * 3
    assert "Dual-Data-Alignment 21f1e39" in published.note


def test_the_recall_of_fakes_alone_stands_beside_no_accuracy():
    both = SetResult(
        ap=0.9, accuracy=0.8, accuracy_real=0.7, accuracy_fake=0.9, auc=0.85, n_real=10, n_fake=10,
        ap_ci95=None, sharpness_ap=0.5,
    )  # fmt: skip
    fakes = dataclasses.replace(
        both, ap=None, auc=None, accuracy=0.9, accuracy_real=None, n_real=0, sharpness_ap=None
    )
    _, published = tables_beside({"genimage.ADM": both, "evalgen.flux": fakes})
    lines = {tuple(line[:2]): line[2:] for line in published.lines}
    assert lines["this run", "accuracy"] == ["80.0"] + ["\N{EN DASH}"] * 3
