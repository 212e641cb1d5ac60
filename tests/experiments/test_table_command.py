import dataclasses
import json

import pytest

from jaxdet import config as schema
from jaxdet import main
from jaxdet.experiments.beside import csv_text, markdown_text, pairs_of
from jaxdet.experiments.figures import drawings_of
from jaxdet.experiments.state import state_of
from jaxdet.report.figures.style import drawn
from jaxdet.results import Condition, Results, Scores, SetResult, TwoShot
from tests.golden import tables

RE = "--config=configs/papers/re_table1.py:tiny"


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the main command here: (exit status, stdout, stderr)."""
    monkeypatch.chdir(tables.REPOSITORY)
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID", raising=False)

    def run(*arguments):
        status = 0
        try:
            main.main(["main", *map(str, arguments)])
        except SystemExit as error:
            status = error.code
        return status, *capsys.readouterr()

    return run


def result(**scores):
    given = {"ap": 0.5, "accuracy": 0.5, "accuracy_real": 0.5, "accuracy_fake": 0.5} | scores
    return SetResult(**given, auc=0.5, n_real=5, n_fake=5, ap_ci95=None, sharpness_ap=0.5)


def results(**sets):
    return Results(
        name="r", config_hash="0" * 16, weights={}, sets=sets, mean_ap=0.5, status="finished"
    )  # fmt: skip


@pytest.mark.parametrize("name", tables.NAMES)
def test_list_of_every_tiny_table_has_each_row_and_its_source(command, name):
    status, out, _ = command(f"--config={tables.FILES[name]}:tiny", "--list")
    assert status == 0
    for row in tables.load(name).rows:
        assert row.name in out
        assert all(published in out for published in row.published)
    assert "not measured" in out
    assert "cannot be compared" in out


def test_list_tells_hours_where_a_speed_is_given(command):
    arguments = ("--config=configs/papers/wang_table2.py", "--list")
    _, out, _ = command(*arguments, "--images-per-second=1000")
    assert ">= 3.6" in out
    assert "unknown" in out
    assert "not measured" not in out
    status, _, err = command(*arguments, "--images-per-second=fast")
    assert (status, err.count("\n")) == (2, 1)
    assert "--images-per-second=fast" in err


def test_list_tells_how_far_each_row_is(command, tmp_path):
    rows = tables.load("re_table1", "tiny").rows
    for row, seed in zip(rows[:3], (0, 5, 0), strict=True):
        (tmp_path / row.name).mkdir()
        nested = schema.to_json_dict(row.config) | {"seed": seed}
        (tmp_path / row.name / "config.json").write_text(json.dumps(nested))
    (tmp_path / rows[0].name / "metrics.jsonl").write_text('{"step": 7}\n{"step": 9}\n')
    (tmp_path / rows[2].name / "config.json").write_text("{")
    states = [state_of(row, tmp_path) for row in rows[:4]]
    assert states == ["begun at step 9", "of another config", "cannot be read", "not begun"]
    _, out, _ = command(RE, "--list", f"--workdir={tmp_path}")
    assert all(state in out for state in states)


def test_options_are_those_of_every_row(command):
    arguments = ("--config=configs/papers/xuan_table1.py", "--list")
    _, out, _ = command(*arguments, "--config.seed=7")
    assert sum(line.split()[2:3] == ["7"] for line in out.splitlines()) == 3
    status, _, err = command(*arguments, "--config.optim.batch_size=0")
    assert status == 2
    assert "optim.batch_size=0 is not at least 1" in err


@pytest.mark.parametrize("array", ["", "2"])
def test_repeats_are_not_given_one_seed(command, monkeypatch, array):
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", array)
    arguments = ("--config=configs/papers/re_supplement_c.py:tiny", "--config.seed=7")
    status, out, err = command(*arguments, "--workdir=w")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "20cls_blur_jpeg_0.5_corrected and 20cls_blur_jpeg_0.5_corrected_run2 would be" in err
    status, out, _ = command(*arguments, "--list", "--row=2")
    assert status == 0
    assert sum(line.split()[2:3] == ["7"] for line in out.splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((RE, "--workdir=w", "--row=foo"), "--row=foo: no such row; give 1 to 7, or 20cls_noaug"),
        ((RE, "--workdir=w", "--row=0"), "--row=0: no such row"),
        ((RE, "--row=1", "--workdir="), "--workdir is empty"),
        ((RE, "--workdir=w", "--config.nope=1"), "nope"),
        ((RE, "--workdir=w", "surplus"), "surplus: not an option"),
        (("--config=configs/small.py", "--workdir=w", "--list"), "list"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(command, arguments, says):
    status, out, err = command(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: ")
    assert says in err


def test_an_array_picks_a_row_and_tells_one_that_is_not_there(command, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "8")
    status, _, err = command(RE, "--workdir=w")
    assert status == 2
    assert "SLURM_ARRAY_TASK_ID: --row=8: no such row" in err
    # The option goes before, and a list has all rows.
    _, _, err = command(RE, "--workdir=w", "--row=foo")
    assert err.startswith("error: --row=foo")
    assert command(RE, "--list")[0] == 0


def test_a_file_that_gives_no_table_is_told(command, tmp_path):
    (tmp_path / "t.py").write_text("def get_table(arg=''):\n    return 3\n")
    status, _, err = command(f"--config={tmp_path / 't.py'}", "--list")
    assert status == 2
    assert "get_table gives no jaxdet.experiments.Table" in err


def test_accuracies_stand_beside_those_that_were_printed():
    row = tables.load("xuan_table1").rows[0]
    measured = results(pggan=result(accuracy=0.9, accuracy_real=0.8, accuracy_fake=0.7))
    pairs = {(p.metric, p.column): (p.published, p.measured) for p in pairs_of(row, measured)}
    assert pairs["accuracy", "PGGAN"] == (95.45, pytest.approx(90))
    assert pairs["TPR (positive = real)", "PGGAN"] == (95.12, pytest.approx(80))
    assert pairs["TNR", "PGGAN"] == (95.77, pytest.approx(70))
    assert pairs["accuracy", "DCGAN"] == (60.55, None)


@pytest.mark.parametrize("folder", ["wgan-gp", "wgan_gp"])
def test_a_set_is_found_by_the_name_that_its_maker_gives_it(folder):
    row = tables.load("xuan_table1").rows[0]
    measured = results(**{folder: result(accuracy=0.9)})
    (found,) = [p for p in pairs_of(row, measured) if p.measured and p.metric == "accuracy"]
    assert (found.column, found.measured) == ("WGAN-GP", pytest.approx(90))


def test_ap_and_accuracy_of_one_run_come_from_both_tables():
    row = tables.load("eecs_table1").rows[0]
    sets = {
        "progan": result(ap=0.75), "stylegan": result(), "biggan": result(), "cyclegan": result(),
        "stargan": result(), "gaugan": result(), "crn": result(), "imle": result(),
        "seeingdark": result(), "san": result(), "deepfake": result(), "stylegan2": result(),
    }  # fmt: skip
    missing_one = list(pairs_of(row, results(**sets)))
    assert {p.source for p in missing_one if p.metric == "AP"} == {row.published[0]}
    assert {p.source for p in missing_one if p.metric == "accuracy"} == {row.published[1]}
    assert [p.measured for p in missing_one if p.column == "mean"] == [None]
    every = list(pairs_of(row, results(**sets, whichfaceisreal=result(accuracy=0.76))))
    (mean,) = [p for p in every if p.column == "mean"]
    assert mean.measured == pytest.approx((12 * 50 + 76) / 13)
    assert csv_text(every).count("\n") == 1 + 13 + 14


def test_further_protocols_stand_beside_what_was_printed_of_them():
    (row,) = tables.load("wang_protocols").rows
    two_shot = TwoShot(
        accuracy=0.8, accuracy_sd=0.1, threshold=0.0, threshold_sd=0.1, pairs=4, crops=2
    )
    horse = Scores(ap=0.9, accuracy=0.6, accuracy_real=0.6, accuracy_fake=0.6, auc=0.9,
                   n_real=5, n_fake=5, ap_ci95=None, sharpness_ap=0.5)  # fmt: skip
    measured = dataclasses.replace(
        results(
            stylegan=result(accuracy=0.7, measures={"oracle_accuracy": 0.75}, two_shot=two_shot),
            cyclegan=result(categories={"horse": horse}),
            whichfaceisreal=result(ap=0.4),
        ),
        conditions={
            "resize": Condition(
                kind="protocol", level=None, sets={"whichfaceisreal": horse}, mean_ap=0.9
            )
        },
    )
    pairs = {(p.metric, p.column): (p.published, p.measured) for p in pairs_of(row, measured)}
    assert pairs["accuracy", "StyleGAN"] == (87.1, pytest.approx(70))
    assert pairs["accuracy at the best threshold", "StyleGAN"] == (96.8, pytest.approx(75))
    assert pairs["two-shot accuracy", "StyleGAN"] == (91.9, pytest.approx(80))
    assert pairs["accuracy by category of CycleGAN", "Horse"] == (62.1, pytest.approx(60))
    assert pairs["accuracy by category of CycleGAN", "mean"] == (80.8, None)
    assert pairs["AP", "WhichFaceIsReal"] == (93.2, pytest.approx(40))
    assert pairs["AP, resized", "WhichFaceIsReal"] == (82.6, pytest.approx(90))
    assert pairs["two-shot accuracy", "SAN"] == (54.8, None)
    text = markdown_text(tables.load("wang_protocols"), [(row, measured)])
    assert "## two-shot accuracy, percent" in text
    assert r"| measured, runs/wang\_table2/20cls\_blur\_jpeg\_0.1, crop 224 |" in text
    assert "| 80.0 (1) |" in text  # of the one set that two shots were measured on


def test_a_papers_figure_has_the_rows_that_are_finished():
    table = tables.load("wang_table2")
    names = ("20cls_noaug", "20cls_blur", "zhang_cyc_im")
    sets = {"progan": result(ap=0.7), "san": result(ap=0.6), "mine": result(ap=0.8)}
    measured = [(table.pick(name), results(**sets)) for name in names]
    drawings = {one.name: one for one in drawings_of(table, measured)}
    assert list(drawings) == ["wang_figure2", "wang_figure4"]  # of figure 3 there is no row
    with drawn(drawings["wang_figure2"]) as figure:
        (axes,) = figure.axes
        assert [t.get_text() for t in axes.get_legend().get_texts()] == [
            "20cls_noaug",
            "20cls_blur",
        ]
        labels = [label.get_text() for label in axes.get_xticklabels()]
        assert (labels[0], labels[-2:]) == ("ProGAN", ["mAP", "mine"])
        bars = [(bar.get_hatch(), bar.get_y() + bar.get_height()) for bar in axes.patches]
    # Measured ones of three sets, and twelve that are printed; of both rows.
    assert len(bars) == 2 * (3 + 12)
    assert [top for hatch, top in bars if not hatch] == pytest.approx(2 * [70, 60, 80])
    printed = {pair.column: pair.published for pair in pairs_of(*measured[0])}
    assert [top for hatch, top in bars if hatch][:12] == pytest.approx(list(printed.values()))


@pytest.mark.parametrize("name", tables.NAMES)
def test_every_row_of_a_figure_has_numbers_of_its_measure(name):
    table = tables.load(name)
    for figure in table.figures:
        for _, rows in figure.panels:
            for row in rows:
                metrics = {pair.metric for pair in pairs_of(table.pick(row), results(a=result()))}
                assert figure.metric in metrics, (figure.name, row)


def test_the_tables_of_a_paper_show_what_was_measured_and_say_where_tiny():
    table = tables.load("re_table1", "tiny")
    text = markdown_text(table, [(table.rows[0], results(progan=result(ap=0.875)))])
    assert "cannot be compared" in text
    printed, ours = [line for line in text.splitlines() if line.startswith("|")][3:5]
    assert "100.0" in printed
    assert "87.5" in ours
    assert "20cls_noaug: every image is augmented" in text.replace("\\", "")


def test_numbers_are_rounded_evenly_and_a_mean_is_that_of_its_own_measure():
    table = tables.load("xuan_table1")
    scores = {"wgan-gp": result(accuracy=0.6055, ap=0.9), "dcgan": result(accuracy=0.5945, ap=0.9)}
    text = markdown_text(table, [(table.rows[0], results(**scores))])
    accuracy = text.split("## ")[1].splitlines()
    assert accuracy[0] == "accuracy, percent"
    assert accuracy[2].endswith("| mean accuracy (sets scored) |")
    printed, ours = accuracy[4:6]
    assert "60.55" in printed
    assert "60.55" in ours
    assert ours.endswith("| 60.00 (2) |")
    assert "mean AP" not in text


def test_rows_that_differ_by_their_seed_have_mean_and_deviation():
    table = tables.load("re_supplement_c")
    measured = [
        (row, results(seeingdark=result(ap=ap)))
        for row, ap in zip(table.rows, (0.8, 0.9, 0.85), strict=True)
    ]
    lines = markdown_text(table, measured).splitlines()
    head, printed, ours = lines[6], *lines[15:17]
    place = head.split("|").index(" SITD ")
    # Of 84.8, 90.7 and 85.9, as supplement C prints them.
    assert printed.split("|")[place] == " 87.1 \N{PLUS-MINUS SIGN} 3.1 "
    assert ours.split("|")[place] == " 85.0 \N{PLUS-MINUS SIGN} 5.0 "
    assert all(row.name in printed.replace("\\", "") for row in table.rows)
    alone = markdown_text(table, measured[:1])
    assert "\N{PLUS-MINUS SIGN}" not in alone


def test_one_row_that_fails_is_one_line(command, tmp_path):
    (tmp_path / "train" / "cat").mkdir(parents=True)
    (tmp_path / "test").mkdir()
    options = (f"--config.data.root={tmp_path}", f"--workdir={tmp_path / 'runs'}")
    status, _, err = command(RE, "--row=1", "--config.model.init=", *options)
    assert (status, err.count("\n")) == (2, 1)
    assert err.startswith(f"error: row 20cls_noaug: {tmp_path}/train/cat")
