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
from jaxdet.errors import UserError
from jaxdet.models.detector import get_detector
from jaxdet.predict.__main__ import main as predict
from jaxdet.results import Predictions, RunFolder, read_arrays, read_results
from jaxdet.runtime.mesh import make_mesh
from jaxdet.scoring.protocol import Protocol
from jaxdet.train.start import weights_to_score
from tests.e2e.conftest import main_arguments

# Quickstart scores its latest weights, NPR resizes before it crops.
RUNS = {
    "quickstart": {"optim__max_epochs": 4},
    "npr": {
        "data__classes": "()", "augment__resize": 40, "evaluation__resize": 40,
        "evaluation__crop": 32, "optim__max_epochs": 4, "optim__learning_rate": 3e-3,
    },
}  # fmt: skip


@pytest.fixture
def root(tmp_path):
    """Smooth reals and noisy fakes; every tenth validation image is in the wrong folder."""
    root, rng = tmp_path / "data", np.random.default_rng(0)
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


@pytest.fixture
def train(root, tmp_path, finish):
    """Trains and evaluates a preset in small form: the run's folder."""

    def run(preset):
        given = main_arguments(root, tmp_path / preset, preset=preset, **RUNS[preset])
        status, _, err = finish("jaxdet.main", *given)
        assert status == 0, err
        return RunFolder(tmp_path / preset)

    return run


def test_every_way_gives_a_quickstart_run_s_answer(train, root, tmp_path):
    run = train("quickstart")
    check_logits(run, root, tmp_path)
    check_names(run, tmp_path)
    check_choice_of_checkpoint(run)
    check_probabilities(run, root, tmp_path)
    for percent in (1, 5):
        check_false_positives(run, root, tmp_path, percent)


@pytest.mark.slow
def test_every_way_gives_an_npr_run_s_logits(train, root, tmp_path):
    check_logits(train("npr"), root, tmp_path)


def measured(run, root):
    """Files of the test set and their logits, as the run measured them."""
    scores = read_arrays(run.predictions("alpha"), Predictions)
    assert np.ptp(scores.logit) > 1e-4
    return [root / "test/alpha" / name for name in scores.id], scores.logit


def command(*arguments, out):
    predict([*map(str, arguments), f"--json={out}"])
    return json.loads(out.read_text())


def check_logits(run, root, tmp_path):
    """Command, Python, exported program and torch's file give the logits of the results."""
    paths, expected = measured(run, root)
    rows = command(f"--weights={run.path}", *paths, out=tmp_path / "a.json")
    np.testing.assert_allclose([row["logit"] for row in rows], expected, atol=1e-5)
    images = [np.asarray(Image.open(path)) for path in paths]
    np.testing.assert_allclose(jaxdet.load_detector(run.path).score(images), expected, atol=1e-5)

    convert(["export", str(run.path), str(tmp_path / "program")])
    program = (tmp_path / "program/detector.stablehlo").read_bytes()
    card = json.loads((tmp_path / "program/card.json").read_text())["card"]
    crops = np.stack([Protocol(**card["protocol"]).reduce(image) for image in images])
    exported = jax.export.deserialize(bytearray(program)).call(crops)
    np.testing.assert_allclose(exported, expected, atol=1e-5)

    written = tmp_path / f"{run.path.name}{'.pth' if run.path.name == 'npr' else '.safetensors'}"
    convert(["to-torch", str(run.path), str(written)])
    np.testing.assert_allclose(jaxdet.load_detector(written).score(images), expected, atol=1e-5)


def check_names(run, tmp_path):
    """Results, repr and card name the checkpoint that was measured."""
    weights, detector = read_results(run.results).weights, jaxdet.load_detector(run.path)
    assert weights["choice"] == "latest"
    assert weights["step"] == max(int(p.name) for p in run.checkpoints.glob("[0-9]*"))
    for name in ("choice", "step", "digest"):
        assert getattr(detector.card, name) == weights[name]
        assert str(weights[name]) in repr(detector)
    card = json.loads((tmp_path / "program/card.json").read_text())["card"]
    assert (card["choice"], card["step"]) == ("latest", weights["step"])
    assert card["sha256"].startswith(weights["digest"])
    assert card["training"] == weights["training"]
    assert set(card["measured"]) == {"alpha"}
    text = (tmp_path / "program/card.md").read_text()
    assert f"checkpoint latest at step {weights['step']}" in text
    assert "12 real and 12 fake images" in text


def check_choice_of_checkpoint(run):
    """Evaluation only takes the run's own choice; another checkpoint has no calibration."""
    config, trained = schema.read_config(run.config), read_results(run.results).weights
    earlier = run.checkpoints / str(min(int(p.name) for p in run.checkpoints.glob("[0-9]*")))
    for init, step in (run.path, trained["step"]), (earlier, int(earlier.name)):
        asked = dataclasses.replace(
            config,
            task="eval",
            model=dataclasses.replace(config.model, init=str(init)),
            evaluation=dataclasses.replace(config.evaluation, weights="auto"),
        )
        detector = get_detector(config.model)
        _, weights = weights_to_score(asked, detector, make_mesh(1), run=run, images=None)
        assert weights["step"] == step
        assert (weights["digest"] == trained["digest"]) == (step == trained["step"])
    other = jaxdet.load_detector(earlier)
    assert (other.card.choice, other.card.calibration) == ("step", None)
    with pytest.raises(UserError, match="--threshold=fpr_1: not known"):
        other.judge(threshold="fpr_1")
    with pytest.raises(UserError, match="no intact checkpoint of step 7"):
        jaxdet.load_detector(run.checkpoints / "7")


def check_probabilities(run, root, tmp_path):
    """Probabilities are calibrated by the run's temperature, but --raw and other crops are not."""
    paths, logits = measured(run, root)
    temperature = read_results(run.results).calibration.temperature
    assert temperature is not None
    for options, scale in ((), temperature), (("--raw",), 1.0):
        rows = command(f"--weights={run.path}", *options, *paths, out=tmp_path / "b.json")
        found = [row["probability"] for row in rows]
        np.testing.assert_allclose(found, expit(logits / scale), atol=1e-5)
        assert {row["calibrated"] for row in rows} == {not options}
    rows = command(f"--weights={run.path}", "--crop=20", *paths, out=tmp_path / "c.json")
    assert not any(row["calibrated"] for row in rows)


def check_false_positives(run, root, tmp_path, percent):
    """A threshold of validation calls no more of its real images fake."""
    reals, fakes = root / "val/cat/0_real", root / "val/cat/1_fake"
    rows = command(f"--weights={run.path}", f"--threshold=fpr_{percent}", reals, fakes,
                   out=tmp_path / "d.json")  # fmt: skip
    called = [row["prediction"] == "fake" for row in rows]
    assert np.mean(called[:30]) <= percent / 100
    threshold = read_results(run.results).calibration.thresholds[f"fpr_{percent}"]
    # Rounding may move the very image that the threshold was taken from.
    sure = [(row["logit"] >= threshold, c) for row, c in zip(rows, called, strict=True)
            if abs(row["logit"] - threshold) > 1e-5]  # fmt: skip
    assert all(expected == c for expected, c in sure)
