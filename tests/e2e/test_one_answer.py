"""One image, one answer: results, command, Python, exported program and torch's file agree."""

import dataclasses
import json

import jax.export
import numpy as np
import pytest
from PIL import Image
from scipy.special import expit

import jaxdet
from jaxdet import config as schema
from jaxdet.convert.__main__ import main as convert
from jaxdet.data.images import LABEL_FOLDERS
from jaxdet.data.pieces import Protocol
from jaxdet.errors import UserError
from jaxdet.models.detector import get_detector
from jaxdet.predict.__main__ import main as predict
from jaxdet.results import Predictions, RunFolder, read_arrays, read_results
from jaxdet.runtime.mesh import make_mesh
from jaxdet.train.start import evaluated_variables
from tests.e2e.conftest import main_arguments

# Quickstart scores its latest weights, NPR resizes before it crops.
RUNS = {
    "quickstart": {"optim__max_epochs": 4},
    "npr": {
        "data__classes": "()", "augment__resize": 40, "evaluation__resize": 40,
        "evaluation__crop": 32, "optim__max_epochs": 4, "optim__learning_rate": 3e-3,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Smooth reals and noisy fakes; every tenth validation image is in the wrong folder."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for place, count, size in (("train/cat", 12, (40, 40)), ("val/cat", 30, (45, 60)),
                               ("test/alpha", 5, (50, 70))):  # fmt: skip
        for number in range(2 * count):
            label = number % 2
            is_noisy = label if place != "val/cat" or number % 10 else 1 - label
            noise = rng.normal(0, 40 if is_noisy else 3, (*size, 3))
            path = root / place / LABEL_FOLDERS[label] / f"{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            levels = np.clip(rng.integers(90, 170, 3) + noise, 0, 255)
            Image.fromarray(levels.astype(np.uint8)).save(path)
    return root


@pytest.fixture(scope="module", params=RUNS)
def run(request, root, tmp_path_factory, finish):
    folder = tmp_path_factory.mktemp("runs") / request.param
    given = main_arguments(root, folder, preset=request.param, **RUNS[request.param])
    status, _, err = finish("jaxdet.main", *given)
    assert status == 0, err
    return RunFolder(folder)


@pytest.fixture(scope="module")
def detector(run):
    return jaxdet.load_detector(run.path)


@pytest.fixture(scope="module")
def measured(run, root):
    """Files of the test set and their logits, as the run measured them."""
    scores = read_arrays(run.predictions("alpha"), Predictions)
    assert np.ptp(scores.logit) > 1e-4
    return [root / "test/alpha" / name for name in scores.id], scores.logit


def command(*arguments, out):
    predict([*map(str, arguments), f"--json={out}"])
    return json.loads(out.read_text())


def test_every_way_gives_the_logit_of_the_results(run, detector, measured, tmp_path):
    paths, expected = measured
    rows = command(f"--weights={run.path}", *paths, out=tmp_path / "a.json")
    np.testing.assert_allclose([row["logit"] for row in rows], expected, atol=1e-5)
    images = [np.asarray(Image.open(path)) for path in paths]
    np.testing.assert_allclose(detector.score(images), expected, atol=1e-5)

    convert(["export", str(run.path), str(tmp_path / "program")])
    program = (tmp_path / "program/detector.stablehlo").read_bytes()
    card = json.loads((tmp_path / "program/card.json").read_text())["card"]
    protocol = Protocol(**card["protocol"])
    crops = np.stack([protocol.reduce(image) for image in images])
    exported = jax.export.deserialize(bytearray(program)).call(crops)
    np.testing.assert_allclose(exported, expected, atol=1e-5)

    written = tmp_path / f"{run.path.name}{'.pth' if run.path.name == 'npr' else '.safetensors'}"
    convert(["to-torch", str(run.path), str(written)])
    np.testing.assert_allclose(jaxdet.load_detector(written).score(images), expected, atol=1e-5)


def test_everything_names_the_checkpoint_that_was_measured(run, detector, tmp_path):
    results = read_results(run.results)
    assert results.weights["choice"] == "latest"
    assert results.weights["step"] == max(int(p.name) for p in run.checkpoints.glob("[0-9]*"))
    for name in ("choice", "step", "digest"):
        assert getattr(detector.card, name) == results.weights[name]
        assert str(results.weights[name]) in repr(detector)
    convert(["export", str(run.path), str(tmp_path / "program")])
    about = json.loads((tmp_path / "program/card.json").read_text())
    assert (about["card"]["choice"], about["card"]["step"]) == ("latest", results.weights["step"])
    assert about["card"]["sha256"].startswith(results.weights["digest"])
    assert about["card"]["training"] == {**results.weights["training"]}
    assert set(about["card"]["measured"]) == {"alpha"}
    text = (tmp_path / "program/card.md").read_text()
    assert f"checkpoint latest at step {results.weights['step']}" in text
    assert "12 real and 12 fake images" in text


def test_evaluation_only_takes_the_run_s_own_choice(run):
    config = schema.read_config(run.config)
    trained = read_results(run.results).weights
    earlier = min(int(p.name) for p in run.checkpoints.glob("[0-9]*"))
    for init, step in (run.path, trained["step"]), (run.checkpoints / str(earlier), earlier):
        asked = dataclasses.replace(
            config,
            task="eval",
            model=dataclasses.replace(config.model, init=str(init)),
            evaluation=dataclasses.replace(config.evaluation, weights="auto"),
        )
        _, weights = evaluated_variables(asked, get_detector(config.model), make_mesh(1))
        assert weights["step"] == step
        assert (weights["digest"] == trained["digest"]) == (step == trained["step"])


def test_another_checkpoint_is_not_called_calibrated(run, detector):
    step = min(int(p.name) for p in run.checkpoints.glob("[0-9]*"))
    other = jaxdet.load_detector(run.checkpoints / str(step))
    assert (other.card.choice, other.card.step) == ("step", step)
    assert other.digest != detector.digest
    assert other.card.calibration is None
    with pytest.raises(UserError, match="--threshold=fpr_1: not known"):
        other.judge(threshold="fpr_1")


def test_probabilities_are_those_of_the_run_s_temperature(run, measured, tmp_path):
    paths, logits = measured
    temperature = read_results(run.results).calibration.temperature
    assert temperature is not None
    rows = command(f"--weights={run.path}", *paths, out=tmp_path / "a.json")
    np.testing.assert_allclose(
        [row["probability"] for row in rows], expit(logits / temperature), atol=1e-5
    )
    assert all(row["calibrated"] for row in rows)
    raw = command(f"--weights={run.path}", "--raw", *paths, out=tmp_path / "b.json")
    np.testing.assert_allclose([row["probability"] for row in raw], expit(logits), atol=1e-5)
    cropped = command(f"--weights={run.path}", "--crop=20", *paths, out=tmp_path / "c.json")
    assert not any(row["calibrated"] for row in raw + cropped)


@pytest.mark.parametrize("percent", [1, 5])
def test_a_threshold_of_validation_holds_its_false_positive_rate(run, root, tmp_path, percent):
    reals, fakes = root / "val/cat/0_real", root / "val/cat/1_fake"
    rows = command(f"--weights={run.path}", f"--threshold=fpr_{percent}", reals, fakes,
                   out=tmp_path / "a.json")  # fmt: skip
    called = [row["prediction"] == "fake" for row in rows]
    assert np.mean(called[:30]) <= percent / 100
    threshold = read_results(run.results).calibration.thresholds[f"fpr_{percent}"]
    # Rounding may move the very image that the threshold was taken from.
    sure = [(row["logit"] >= threshold, c) for row, c in zip(rows, called, strict=True)
            if abs(row["logit"] - threshold) > 1e-5]  # fmt: skip
    assert all(expected == c for expected, c in sure)
