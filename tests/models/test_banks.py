import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdet.config import Model
from jaxdet.models.banks import without_repeats
from jaxdet.models.detector import get_detector

TOWER = "clip_b16:size=28,patch=14,width=8,depth=1,heads=2,mlp=12,projection=2"


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_neighbours_that_are_not_there_count_nothing(count):
    """One real and three fakes on a circle, by their angles, around an image at 0 degrees."""
    angles, labels = np.radians([60, 10, 20, 30]), np.array([0, 1, 1, 1])
    model = Model(name="knn", tower=TOWER, tune="head", bank=8, neighbours=count)
    network = get_detector(model).network
    bank = np.zeros((8, 2), np.float32)
    bank[:4] = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    remembered = {"bank": bank, "labels": np.array([*labels, -1, -1, -1, -1])}
    statistics = {**remembered, "filled": np.array(4)}
    image = np.array([[1, 0]], np.float32)

    def score():
        found = network.apply({"batch_stats": statistics}, image, train=False, method="score")
        return float(found[0])

    expected = np.cos(angles[1:])[:count].mean() - np.cos(angles[0])
    assert score() == pytest.approx(expected, abs=1e-6)
    statistics["labels"] = np.where(statistics["labels"] == 0, -1, statistics["labels"])
    assert score() > 2


@pytest.mark.parametrize(("images", "expected"), [(5, [0, 1, 2, 3, 4]), (9, [*range(6), 0, 1])])
def test_images_that_are_shown_again_are_not_remembered_again(images, expected):
    """The batches of two epochs of six images, in a bank of eight places."""
    model = Model(name="knn", tower=TOWER, tune="head", bank=8)
    detector = get_detector(model)
    start = without_repeats(detector.random(0, size=28), images=images)
    variables = jax.tree.map(jnp.asarray, start)
    angles = np.arange(6) / 2
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    head = detector.on_features()
    for batch in ([0, 1, 2, 3], [4, 5, 0, 1], [0, 1, 2, 3], [4, 5, 0, 1]):
        label = np.array(batch, np.int32) % 2
        _, _, statistics = head.collect(variables, vectors[batch], label)
        variables = {**variables, "batch_stats": statistics}
    there = np.asarray(statistics["labels"]) >= 0
    assert np.array_equal(np.flatnonzero(there), np.arange(8)[-len(expected) :])
    np.testing.assert_allclose(statistics["bank"][there], vectors[expected], atol=1e-6)
