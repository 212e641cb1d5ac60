import csv
import json
import shutil

import numpy as np
import pytest

from jaxdet.results import Predictions, RunFolder, read_arrays, read_metrics, read_results
from tests.conftest import write_dataset, write_images
from tests.e2e.conftest import main_arguments

SCORES = {"ap", "accuracy", "accuracy_real", "accuracy_fake", "auc", "n_real", "n_fake",
          "ap_ci95", "categories"}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory, finish):
    """A run of the main job to its end: its data, arguments, folder and output."""
    place = tmp_path_factory.mktemp("finished")
    data = write_dataset(place / "data root")
    arguments = main_arguments(data, place / "run")
    status, out, err = finish("jaxdet.main", *arguments)
    assert status == 0, err
    return data, arguments, RunFolder(place / "run"), out


def contents(folder):
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_main_job_writes_what_the_contract_says_and_ends_for_good(finished, finish):
    dataset, arguments, run, out = finished
    # The folder.
    raw = json.loads(run.results.read_text())
    assert (raw["schema_version"], raw["status"], raw["name"]) == (1, "finished", "small")
    assert list(raw["sets"]) == ["alpha", "beta", "gamma"]
    assert all(set(one) >= SCORES for one in raw["sets"].values())
    assert set(raw["sets"]["beta"]["categories"]) == {"x", "y"}
    assert raw["mean_ap"] == pytest.approx(np.mean([s["ap"] for s in raw["sets"].values()]))
    assert json.loads(run.config.read_text())["model"]["width"] == 8
    assert set(json.loads(run.env.read_text())) >= {"command", "commit", "machine", "versions"}
    # Each image once.
    predictions = read_arrays(run.predictions("beta"), Predictions)
    files = (dataset / "test" / "beta").rglob("*.*")
    assert sorted(predictions.id) == sorted(
        p.relative_to(dataset / "test" / "beta").as_posix() for p in files
    )
    # What validation alone decides; the set is no test set.
    held_out = read_arrays(run.validation, Predictions)
    learned = raw["calibration"]
    assert learned["source"] == "val"
    assert (learned["n_real"], learned["n_fake"]) == (
        np.sum(held_out.label == 0), np.sum(held_out.label == 1),
    )  # fmt: skip
    assert set(raw["sets"]["beta"]["measures"]) >= {
        "eer",
        "ece",
        "oracle_accuracy",
        "fpr_val_fpr_5",
    }
    assert set(raw["sets"]["beta"]["intervals"]) >= {"accuracy", "auc", "eer", "oracle_threshold"}
    assert raw["means"]["ap"] == {"eleven": None, "thirteen": None, "eight": None}
    # The metrics: 6 steps an epoch, a line each two steps, one more for validation.
    lines = read_metrics(run.metrics)
    assert [line["step"] for line in lines] == [2, 4, 6, 6, 8, 10, 12, 12]
    assert set(lines[0]) >= {"train/loss", "train/accuracy", "train/ap", "lr", "images_per_second"}
    assert set(lines[3]) >= {"val/loss", "val/accuracy", "val/ap", "val/auc"}
    # The tables and the page.
    assert all(name in out for name in ("alpha", "beta", "gamma", "mean"))
    rows = list(csv.DictReader((run.report / "table.csv").open()))
    assert {"alpha", "beta", "gamma"} <= {row["set"] for row in rows}
    page = (run.report / "index.html").read_text()
    assert "gamma" in page
    assert "<svg" in page
    # Started again.
    before = contents(run.path)
    status, _, err = finish("jaxdet.main", *arguments)
    assert status == 0
    assert "is finished" in err
    assert contents(run.path) == before
    # Another config on the same folder.
    status, _, err = finish("jaxdet.main", *arguments, "--config.seed=5")
    assert status == 2
    assert "seed: 0 -> 5" in err
    assert contents(run.path) == before


def test_a_run_can_be_evaluated_alone_on_other_sets(finished, finish, tmp_path):
    _, _, run, _ = finished
    root = tmp_path / "others"
    write_images(root / "test" / "delta", count=6, seed=77, size=30)
    arguments = main_arguments(
        root, tmp_path / "eval", preset="small", task="eval", model__init=run.path
    )
    status, _, err = finish("jaxdet.main", *arguments)
    assert status == 0, err
    alone = read_results(tmp_path / "eval" / "results.json")
    trained = read_results(run.results)
    assert list(alone.sets) == ["delta"]
    # What validation images taught of these weights when they were trained.
    assert alone.calibration.source == f"val of {run.path}"
    assert alone.calibration.thresholds == trained.calibration.thresholds
    assert not RunFolder(tmp_path / "eval").validation.exists()
    assert alone.weights["digest"] == trained.weights["digest"]
    assert not (tmp_path / "eval" / "checkpoints").exists()


def test_skipped_images_and_tests_that_are_trained_on_are_told(dataset, tmp_path, finish):
    shutil.copy(dataset / "train/cat/0_real/001.png", dataset / "test/alpha/0_real/again.png")
    (dataset / "train" / "cat" / "0_real" / "003.png").write_text("no image")
    (dataset / "test" / "alpha" / "1_fake" / "001.png").write_text("none either")
    arguments = main_arguments(
        dataset, tmp_path / "run", data__on_bad_image="skip", optim__max_epochs=1
    )
    status, _, err = finish("jaxdet.main", *arguments)
    assert status == 0, err
    assert err.count("unreadable, another image takes its place: cat/0_real/003.png") == 1
    results = read_results(tmp_path / "run" / "results.json")
    assert results.sets["alpha"].n_skipped == 1
    [warning] = results.warnings
    assert warning.startswith("test images that are training images: at least 1, such as ")
    assert err.count(f"warning: {warning}\n") == 1
    for name in ("index.html", "table.md"):
        text = (tmp_path / "run" / "report" / name).read_text()
        assert "test images that are training images: at least 1" in text
    trained = [x for x in read_metrics(tmp_path / "run" / "metrics.jsonl") if "train/loss" in x]
    assert trained[-1]["train/unreadable"] == 1


@pytest.mark.slow
def test_without_validation_all_images_train_and_the_last_weights_are_scored(
    dataset, tmp_path, finish
):
    options = {"data__validation": "none", "evaluation__sets": "alpha"}
    run = RunFolder(tmp_path / "run")
    arguments = main_arguments(dataset, run.path, **options, optim__schedule="plateau")
    status, _, err = finish("jaxdet.main", *arguments)
    assert (status, err.splitlines()[-1]) == (
        2,
        "error: config: optim.schedule='plateau' needs validation, but data.validation='none'",
    )
    arguments = main_arguments(dataset, run.path, **options, optim__schedule="constant")
    status, _, err = finish("jaxdet.main", *arguments)
    assert status == 0, err
    assert "epoch 2 without validation; next learning rate 0.001" in err
    lines = read_metrics(run.metrics)
    assert [name for line in lines for name in line if name.startswith("val/")] == []
    results = read_results(run.results)
    assert results.calibration is None
    assert (results.weights["choice"], results.weights["step"]) == ("latest", lines[-1]["step"])
    assert lines[-1]["step"] == 2 * 48 // 8
    assert not run.validation.exists()


@pytest.mark.slow
def test_one_and_four_devices_log_the_same_losses(dataset, tmp_path, finish):
    def losses(devices):
        workdir = tmp_path / f"run{devices}"
        arguments = main_arguments(
            dataset, workdir, task="train", optim__max_epochs=1, runtime__devices=devices
        )
        status, _, err = finish("jaxdet.main", *arguments, JAX_NUM_CPU_DEVICES=str(devices))
        assert status == 0, err
        assert "This run only trains (task=train)" in (workdir / "report/index.html").read_text()
        return [x["train/loss"] for x in read_metrics(workdir / "metrics.jsonl") if "lr" in x]

    np.testing.assert_allclose(losses(1), losses(4), atol=1e-4)
