import jax
import numpy as np
import pytest

from jaxdet.config import Data
from jaxdet.data.folder import load_set
from jaxdet.data.images import LABEL_FOLDERS
from jaxdet.data.ops import center_crop
from jaxdet.data.readers import evaluation_reader
from jaxdet.evals.lineup import line_up
from jaxdet.evals.ranking import pick, rank
from jaxdet.models import resnet
from jaxdet.models.architectures import architecture_of
from jaxdet.models.detector import Detector
from jaxdet.results import Predictions
from jaxdet.scoring.protocol import Protocol


def picked(logit, label, which):
    return {role: row for row, role in pick(np.array(logit), np.array(label), which=which)}


def test_percentiles_run_from_most_real_to_most_fake():
    # Rows 0, 2, 4, ... are reals of logits -10, -9, ..., 10; between them a fake each.
    logit = np.repeat(np.arange(-10, 11), 2).astype(np.float32)
    label = np.tile([0, 1], 21)
    found = picked(logit, label, 0)
    assert {k.partition(",")[0]: v for k, v in found.items() if k.startswith("percentile")} == {
        "percentile 0": 0, "percentile 25": 10, "percentile 50": 20, "percentile 75": 30,
        "percentile 100": 40,
    }  # fmt: skip


def test_mistakes_are_those_beyond_zero_and_the_worst_comes_first():
    logit = np.arange(-10, 11).astype(np.float32)
    real = picked(logit, np.zeros(21, int), 0)
    # The worst real is the most fake one too.
    assert {k: logit[v] for k, v in real.items() if "mistake" in k} == {
        "percentile 100, mistake 1": 10, "mistake 2": 9, "mistake 3": 8, "mistake 4": 7,
        "mistake 5": 6,
    }  # fmt: skip
    fake = picked(logit, np.ones(21, int), 1)
    assert [logit[v] for k, v in fake.items() if "mistake" in k] == [-10, -9, -8, -7, -6]
    right = picked(np.abs(logit), np.ones(21, int), 1)
    assert not [role for role in right if "mistake" in role]


@pytest.mark.parametrize("count", range(8))
def test_no_image_twice_and_the_ends_first_in_a_small_set(count):
    logit = np.random.default_rng(count).normal(0.5, 1, count)
    found = pick(logit, np.zeros(count, int), which=0)
    rows = [row for row, _ in found]
    assert len(set(rows)) == len(rows)
    assert {row for row in range(count) if logit[row] > 0} <= set(rows) or count > 5
    roles = [role.partition(",")[0] for _, role in found]
    assert ("percentile 0" in roles) == (count > 0)
    assert ("percentile 100" in roles) == (count > 1)
    if count > 4:
        assert roles[:5] == [f"percentile {p}" for p in (0, 25, 50, 75, 100)]


def test_equal_logits_stay_in_the_order_of_the_set():
    found = picked(np.zeros(9), np.ones(9, int), 1)
    assert found == {f"percentile {25 * i}": 2 * i for i in range(5)}


def test_a_lineup_is_drawn_at_random_and_ordered_by_score(dataset):
    images = load_set(dataset / "test" / "beta", name="beta")
    rng = np.random.default_rng(0)
    predictions = Predictions(
        id=np.array(images.ids), label=images.labels,
        logit=rng.normal(0, 1, len(images)).astype(np.float32),
        sharpness=np.zeros(len(images), np.float32), skipped=np.array([], str), fingerprint="f",
    )  # fmt: skip
    (images.folder / images.ids[0]).write_text("no image any more")
    read = evaluation_reader(Data(on_bad_image="skip"), images)
    found = line_up(read, predictions, centre=Protocol(crop=24), seed=0, fingerprint="f")
    # Fewer than twenty of each label: all of them, but for the one that broke.
    assert sorted(found.id) == sorted(set(images.ids) - {images.ids[0]})
    assert (np.diff(found.logit) >= 0).all()
    places = [images.ids.index(i) for i in found.id]
    assert found.logit.tolist() == predictions.logit[places].tolist()
    assert found.label.tolist() == images.labels[places].tolist()
    crops = [center_crop(images.read(i, max_pixels=10**6), size=24)[..., ::-1] for i in places]
    assert np.array_equal(found.image, np.stack(crops))


def test_a_lineup_of_many_images_has_twenty_of_each_label(monkeypatch):
    ids = np.array([f"{label}/{i:03}.png" for label in LABEL_FOLDERS for i in range(30 + 15)])
    label = np.array([int(i.startswith("1")) for i in ids], np.int32)
    predictions = Predictions(
        id=ids, label=label, logit=np.arange(90, dtype=np.float32), sharpness=np.zeros(90, "f4"),
        skipped=np.array([], str), fingerprint="f",
    )  # fmt: skip
    black = np.zeros((128, 128, 3), np.uint8)
    monkeypatch.setattr(
        "jaxdet.evals.lineup.read_crops", lambda read, ids, centre: [black] * len(ids)
    )
    drawn = {}
    for seed in (0, 0, 1):
        found = line_up(None, predictions, centre=Protocol(crop=128), seed=seed, fingerprint="f")
        assert found.label.sum() == 20 == len(set(found.id)) - 20
        assert found.image.shape == (40, 96, 96, 3)
        drawn.setdefault(seed, []).append(tuple(found.id))
    assert drawn[0][0] == drawn[0][1] != drawn[1][0]


def test_pixels_and_evidence_are_those_of_the_scored_crop(dataset):
    (dataset / "test" / "beta" / "y" / "1_fake" / "002.png").write_text("no image")
    images = load_set(dataset / "test" / "beta", name="beta")
    read = evaluation_reader(Data(on_bad_image="skip"), images)
    network = resnet.ResNet(resnet.BasicBlock, (1, 1), width=4)
    detector = Detector(architecture_of("resnet18"), network)
    variables = detector.random(0, size=32)
    variables["params"]["fc"]["bias"] = np.array([0.25], np.float32)
    logit = np.random.default_rng(0).normal(0, 1, len(images)).astype(np.float32)
    logit[images.ids.index("y/1_fake/002.png")] = -9
    predictions = Predictions(
        id=np.array(images.ids),
        label=images.labels,
        logit=logit,
        sharpness=np.zeros(len(images), np.float32),
        skipped=np.array([], str),
        fingerprint="f",
    )
    step = jax.jit(detector.evidence)
    found = rank(
        read, predictions, centre=Protocol(crop=32), step=step, variables=variables,
        fingerprint="f",
    )  # fmt: skip
    picks = [pick(logit, images.labels, which=label) for label in (0, 1)]
    asked = [(images.ids[row], role) for row, role in picks[0] + picks[1]]
    # The one that broke since it was scored is not shown.
    assert ("y/1_fake/002.png", "percentile 0, mistake 1") in asked
    asked.remove(("y/1_fake/002.png", "percentile 0, mistake 1"))
    assert list(zip(found.id, found.role, strict=True)) == asked
    places = [images.ids.index(i) for i in found.id]
    assert found.label.tolist() == images.labels[places].tolist() == sorted(found.label)
    assert found.logit.tolist() == predictions.logit[places].tolist()
    crops = [center_crop(images.read(i, max_pixels=10**6), size=32)[..., ::-1] for i in places]
    assert np.array_equal(found.image, np.stack(crops))
    assert found.evidence.shape == (len(asked), 4, 4)
    logit = jax.jit(detector.apply)(variables, found.image)
    np.testing.assert_allclose(found.evidence.sum((1, 2)) + 0.25, logit, atol=1e-4)
    assert np.ptp(logit) > 1e-3
