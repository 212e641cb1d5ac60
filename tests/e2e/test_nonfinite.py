"""Losses and gradients that are not finite, for real: told, repeated, or left out and counted."""

import shlex

import numpy as np
import pytest

from jaxdet.results import RunFolder, read_metrics
from jaxdet.workdir.files import read_json
from tests.e2e.conftest import main_arguments
from tests.e2e.test_kill import kill_when
from tests.e2e.watching import comparable, final_state, logged


def test_the_bundle_of_a_step_repeats_it_from_the_checkpoint_before(dataset, tmp_path, finish):
    run = RunFolder(tmp_path / "run")
    arguments = main_arguments(
        dataset, run.path, optim__learning_rate=1e30, checkpoint__every_steps=1
    )
    status, _, err = finish("jaxdet.main", *arguments)
    assert status == 1
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    assert last.startswith("error: step ")
    assert "loss nan" in last or "loss inf" in last
    (bundle,) = (run.path / "nonfinite").iterdir()
    assert f"jaxdet.train.replay {shlex.quote(str(bundle))}" in last

    facts = read_json(bundle / "bundle.json")
    assert facts["step"] == int(bundle.name)
    assert facts["checkpoint"] == facts["step"] - 1
    assert 1e29 < facts["learning_rate"] <= 1e30
    assert facts["config"] == read_json(run.config)
    arrays = np.load(bundle / "batch-0.npz")
    assert arrays["image"].shape == (8, 24, 24, 3)
    assert [label == 1 for label in arrays["label"]] == ["1_fake" in i for i in facts["image_ids"]]
    assert all((dataset / "train" / i).is_file() for i in facts["image_ids"])

    before = sorted(run.path.rglob("*"))
    status, out, err = finish("jaxdet.train.replay", bundle)
    assert status == 0, err
    assert f"step {facts['step']}: loss {facts['loss']}, gradient norm {facts['grad_norm']}" in out
    assert sorted(run.path.rglob("*")) == before


@pytest.mark.slow
def test_skipped_updates_are_counted_and_end_the_run_when_there_are_too_many(
    dataset, tmp_path, finish
):
    run = RunFolder(tmp_path / "run")
    arguments = main_arguments(
        dataset, run.path, optim__learning_rate=1e30, optim__on_nonfinite="skip",
        optim__max_skipped=3, runtime__log_every=1, optim__max_epochs=4, task="train",
    )  # fmt: skip
    status, _, err = finish("jaxdet.main", *arguments)
    assert status == 1
    assert "Traceback" not in err
    assert "4 updates that are not finite, optim.max_skipped=3" in err.splitlines()[-1]
    assert err.count("update left out") == 3
    counts = [x["train/skipped"] for x in read_metrics(run.metrics) if "train/skipped" in x]
    assert counts == [1, 2, 3]
    (bundle,) = (run.path / "nonfinite").iterdir()
    status, out, err = finish("jaxdet.train.replay", bundle)
    assert status == 0, err
    assert f"loss {read_json(bundle / 'bundle.json')['loss']}" in out


@pytest.mark.slow
def test_a_run_that_skips_ends_with_the_same_bits_after_kills(dataset, tmp_path, command, finish):
    options = {
        # The square of the gradient's norm overflows in about every other batch.
        "model__head_deviation": 2.4e17, "model__width": 16,
        "optim__on_nonfinite": "skip", "optim__max_skipped": 1000, "optim__max_epochs": 3,
        "checkpoint__every_steps": 2, "task": "train",
    }  # fmt: skip
    whole, killed = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "killed")
    status, _, err = finish("tests.e2e.unchecked", *main_arguments(dataset, whole.path, **options))
    assert status == 0, err
    lines = read_metrics(whole.metrics)
    counts = {x["step"]: x["train/skipped"] for x in lines if "train/skipped" in x}
    assert 0 < counts[4] < counts[12] < counts[18] < 18
    for step in (4, 12):
        process = command("tests.e2e.unchecked", *main_arguments(dataset, killed.path, **options))
        kill_when(process, lambda step=step: step in logged(killed, "train/skipped"))
    status, _, err = finish("tests.e2e.unchecked", *main_arguments(dataset, killed.path, **options))
    assert status == 0, err
    assert "going on from step" in err
    (step, one), (again, other) = final_state(whole), final_state(killed)
    assert step == again
    assert [name for name in one if not np.array_equal(one[name], other[name])] == []
    assert all(np.isfinite(value).all() for value in one.values())
    assert comparable(whole) == comparable(killed)
