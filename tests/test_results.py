import dataclasses
import json
import os

import numpy as np
import pytest

from jaxdet import results
from jaxdet.errors import UserError
from jaxdet.workdir import files
from jaxdet.workdir.files import check_writable

SCORES = {
    "ap": 0.9,
    "accuracy": 0.8,
    "accuracy_real": 0.7,
    "accuracy_fake": None,
    "auc": 0.95,
    "n_real": 3,
    "n_fake": 4,
    "ap_ci95": (0.85, 0.92),
    "sharpness_ap": 0.6,
    "measures": {"eer": 0.1, "oracle_accuracy": None},
    "intervals": {"auc": (0.9, 0.97)},
}
SET = {**SCORES, "two_shot": None, "categories": {}}

OVERALL = results.Overall(
    n=2, ap=None, recall=results.Summary(mean=0.5, minimum=0.25), balanced_accuracy=None
)


def _results():
    one = results.SetResult(
        **SCORES,
        n_skipped=2,
        categories={"cat": results.Scores(**{**SCORES, "ap_ci95": None})},
    )
    return results.Results(
        name="run",
        config_hash="0123",
        weights={"step": 7},
        sets={"progan": one},
        mean_ap=0.9,
        status="finished",
        calibration=results.Calibration(
            source="val", n_real=5, n_fake=6, temperature=None, thresholds={"fpr_5": 1.5}
        ),
        means={"ap": {"eleven": None, "eight": 0.9}},
        mean_intervals={"ap": {"eight": (0.88, 0.91)}},
        benchmarks={"a": OVERALL},
        over_benchmarks=OVERALL,
    )


def _predictions():
    return results.Predictions(
        id=np.array(["car/0_real/a.png", "car/sub/1_fake/é.png", "1_fake/c.png"]),
        label=np.array([0, 1, 1], np.int32),
        logit=np.array([-1.5, 2.25, np.float32(0.1)], np.float32),
        sharpness=np.array([1.0, 2.0, 3.0], np.float32),
        skipped=np.array(["0_real/bad.png"]),
        fingerprint="f00d",
    )


def test_results_come_back_as_they_were(tmp_path):
    files.write_json(tmp_path / "results.json", _results())
    assert results.read_results(tmp_path / "results.json") == _results()


def test_results_keep_the_promised_names():
    plain = json.loads(files.to_json(_results()))
    assert plain["schema_version"] == 1
    assert plain["status"] == "finished"
    assert {"name", "config_hash", "sets", "mean_ap"} <= set(plain)
    promised = "ap accuracy accuracy_real accuracy_fake auc n_real n_fake ap_ci95 categories"
    assert set(promised.split()) <= set(plain["sets"]["progan"])
    assert plain["sets"]["progan"]["ap_ci95"] == [0.85, 0.92]


def test_nan_is_not_written(tmp_path):
    path = tmp_path / "results.json"
    with pytest.raises(ValueError, match="Out of range"):
        files.write_json(path, dataclasses.replace(_results(), mean_ap=float("nan")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema version 2, this jaxdet reads 1"),
        ({"sets": []}, "not a results file"),
        ({"sets": {"a": {}}}, "not a results file"),
        ({"sets": {"a": None}}, "not a results file"),
        ({"sets": {"a": {**SET, "ap_ci95": [0.1]}}}, "not a results file"),
        ({"sets": {"a": {**SET, "ap": "high"}}}, "ap='high'"),
        ({"sets": {"a": {**SET, "auc": "high"}}}, "auc='high'"),
        ({"sets": {"a": {**SET, "categories": {"c": {**SCORES, "ap": []}}}}}, r"ap=\[\]"),
        ({"mean_ap": "0.9"}, "mean_ap='0.9'"),
        ({"calibration": {"source": "val"}}, "thresholds"),
        ({"calibration": 1.5}, "not a results file"),
        ({"mean_intervals": {"ap": {"eleven": [0.1]}}}, "not a results file"),
        ({"means": {"ap": {"eleven": "high"}}}, "not a results file"),
        ({"sets": {"a": {**SET, "measures": {"eer": []}}}}, "not a results file"),
        ({"sets": {"a": {**SET, "intervals": {"auc": [1]}}}}, "not a results file"),
        ({"benchmarks": {"a": {"n": 1, "published": [{}]}}}, "not a results file"),
        ({"over_benchmarks": {**vars(OVERALL), "recall": {"mean": 2.0, "minimum": 0}}}, "no share"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_results_of_another_shape_are_refused(tmp_path, change, message):
    plain = {**json.loads(files.to_json(_results())), **change}
    (tmp_path / "results.json").write_text(json.dumps(plain))
    with pytest.raises(UserError, match=message):
        results.read_results(tmp_path / "results.json")


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00", '{"schema_version": 1}'])
def test_damaged_results_are_refused(tmp_path, content):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(UserError, match=r"results\.json"):
        results.read_results(tmp_path / "results.json")


def test_missing_results_are_named(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        results.read_results(tmp_path / "results.json")


def test_predictions_come_back_as_they_were(tmp_path):
    path = tmp_path / "predictions" / "progan.npz"
    results.write_arrays(path, _predictions())
    back = results.read_arrays(path, results.Predictions)
    for field in dataclasses.fields(back):
        old, new = getattr(_predictions(), field.name), getattr(back, field.name)
        np.testing.assert_array_equal(old, new)
        assert np.asarray(old).dtype == np.asarray(new).dtype
    with np.load(path, allow_pickle=False) as arrays:
        assert {"id", "label", "logit"} <= set(arrays.files)


@pytest.mark.parametrize(
    "record",
    [
        results.CropScores(
            id=np.array(["0_real/a.png"]),
            label=np.zeros(1, np.int32),
            logit=np.ones((1, 4), np.float32),
            fingerprint="ab12",
        ),
        results.Spectrum(
            real=np.ones((4, 4), np.float32),
            fake=np.zeros((4, 4), np.float32),
            n_real=3,
            n_fake=2,
            n_small=1,
            fingerprint="",
        ),
        results.Ranked(
            id=np.array(["1_fake/a.png"]),
            label=np.ones(1, np.int32),
            logit=np.ones(1, np.float32),
            role=np.array(["mistake 1"]),
            image=np.zeros((1, 8, 8, 3), np.uint8),
            evidence=np.ones((1, 2, 2), np.float32),
            fingerprint="cd",
        ),
        results.Lineup(
            id=np.array(["1_fake/a.png"]),
            label=np.ones(1, np.int32),
            logit=np.ones(1, np.float32),
            image=np.zeros((1, 8, 8, 3), np.uint8),
            fingerprint="ef",
        ),
    ],
    ids=lambda record: type(record).__name__,
)
def test_arrays_numbers_and_texts_come_back_as_they_were(tmp_path, record):
    results.write_arrays(tmp_path / "a.npz", record)
    back = results.read_arrays(tmp_path / "a.npz", type(record))
    for field in dataclasses.fields(record):
        old, new = getattr(record, field.name), getattr(back, field.name)
        assert type(old) is type(new)
        np.testing.assert_array_equal(old, new)


def test_category_is_the_folder_above_the_label():
    assert list(_predictions().category) == ["car", "car/sub", ""]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"\x80\x04pickle"])
def test_damaged_predictions_are_refused(tmp_path, content):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.npz: cannot be read"):
        results.read_arrays(path, results.Predictions)


def test_predictions_that_lack_a_column_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", id=np.array(["x"]))
    with pytest.raises(UserError, match="'label' is missing"):
        results.read_arrays(tmp_path / "a.npz", results.Predictions)
    with pytest.raises(UserError, match="no such file"):
        results.read_arrays(tmp_path / "b.npz", results.Predictions)


def test_metrics_stop_at_a_line_cut_short(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert results.read_metrics(path) == []
    path.write_text('{"step": 1, "lr": 0.1}\n{"step": 2, "lr": 0.1}\n{"step": 3, "l')
    assert [line["step"] for line in results.read_metrics(path)] == [1, 2]


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.npz"
    results.write_arrays(path, _predictions())
    before = path.read_bytes()
    # An object array cannot be written without a pickle.
    broken = dataclasses.replace(_predictions(), id=np.array([None, {}, ()], object))
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        results.write_arrays(path, broken)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_a_run_folder_has_the_promised_names(tmp_path):
    run = results.RunFolder(tmp_path)
    names = {p.relative_to(tmp_path).as_posix() for p in (
        run.config, run.env, run.metrics, run.checkpoints, run.results, run.report,
        run.predictions("progan"), run.validation,
    )}  # fmt: skip
    assert names == {
        "config.json", "env.json", "metrics.jsonl", "checkpoints", "results.json", "report",
        "predictions/progan.npz", "validation.npz",
    }  # fmt: skip


def test_results_can_be_written_before_the_work_is_done(tmp_path):
    check_writable((tmp_path / "new" / "a.json", "mine"), (None, ""))
    assert not (tmp_path / "new").exists()
    earlier = tmp_path / "b.json"
    earlier.write_text("mine, too")
    check_writable((earlier, "mine"))
    assert earlier.read_text() == "mine, too"
    with pytest.raises(UserError, match=r"b\.json: cannot be written: is given twice"):
        check_writable((earlier, "mine"), (tmp_path / "new" / ".." / "b.json", "mine"))


@pytest.mark.parametrize("place", ["photo.jpg", "folder.json", "photo.jpg/below.json", "pipe"])
def test_files_of_another_kind_are_never_replaced(tmp_path, place):
    (tmp_path / "photo.jpg").write_text("a photograph")
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="cannot be written"):
        check_writable((tmp_path / place, "mine"))
    assert (tmp_path / "photo.jpg").read_text() == "a photograph"


@pytest.mark.parametrize(
    ("number", "says"),
    [
        ("1" + "0" * 400, "no finite number"),
        ("7" * 5000, "cannot be read as JSON"),
        ("NaN", "ap=nan is no finite number"),
        ("-Infinity", "ap=-inf is no finite number"),
        ("-0.5", "ap=-0.5 is no share"),
        ("1.5", "ap=1.5 is no share"),
        ("true", "ap=True is not of type"),
        ('"0.9"', "ap='0.9' is not of type"),
        ("[0.9]", r"ap=\[0.9\] is not of type"),
    ],
)
def test_a_number_that_cannot_be_is_told_in_one_short_line(tmp_path, number, says):
    path = tmp_path / "results.json"
    files.write_json(path, _results())
    path.write_text(path.read_text().replace('"ap": 0.9', f'"ap": {number}', 1))
    with pytest.raises(UserError, match=says) as raised:
        results.read_results(path)
    assert len(str(raised.value)) < len(str(tmp_path)) + 300


@pytest.mark.parametrize(
    ("name", "step"),
    [("12", 12), ("0", 0), ("\u00b2", None), ("\u0661", None), ("1_000", None), ("-1", None),
     ("007", None), ("", None), ("9" * 200, None), ("3.tmp", None)],
)  # fmt: skip
def test_a_step_s_folder_has_the_name_that_we_give_it(name, step):
    assert results.step_number(name) == step


def test_lines_of_metrics_without_a_step_are_left_out(tmp_path):
    lines = ['{"step": 1, "lr": 1}', "[2]", "7", '{"step": "3"}', '{"step": true}', '{"lr": 1}',
             '{"step": 1' + "0" * 400 + "}", '{"step": 4}', '{"step": 5']  # fmt: skip
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    assert [one["step"] for one in results.read_metrics(tmp_path / "metrics.jsonl")] == [1, 4]
