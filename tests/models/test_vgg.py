import jax
import numpy as np
import pytest

from jaxdet.config import Model
from jaxdet.models.detector import get_detector
from jaxdet.models.vgg import adaptive_mean
from jaxdet.predict import LoadedDetector


def adaptive_mean_by_hand(x, side):
    """torch's AdaptiveAvgPool2d, window by window."""
    height, width = x.shape[1:3]
    out = np.zeros((len(x), side, side, x.shape[3]), x.dtype)
    for i in range(side):
        for j in range(side):
            rows = slice(i * height // side, -(-(i + 1) * height // side))
            columns = slice(j * width // side, -(-(j + 1) * width // side))
            out[:, i, j] = x[:, rows, columns].mean((1, 2))
    return out


@pytest.mark.parametrize("shape", [(7, 7), (5, 9), (1, 1), (14, 14), (16, 3)])
def test_adaptive_mean_is_torch_s(shape):
    x = np.random.default_rng(0).normal(size=(2, *shape, 3)).astype(np.float32)
    found = adaptive_mean(x, None, side=7)
    np.testing.assert_allclose(found, adaptive_mean_by_hand(x, 7), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg11", "vgg11_bn"])
def test_an_image_in_a_larger_array_scores_as_by_itself(name):
    detector = get_detector(Model(name=name, width=4))
    variables = detector.random(0, size=32)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, 70, 45, 3), dtype=np.uint8)
    around = rng.integers(0, 256, (1, 96, 64, 3), dtype=np.uint8)
    around[:, :70, :45] = image
    size = np.array([[70, 45]], np.int32)
    np.testing.assert_allclose(
        detector.apply(variables, around, size), detector.apply(variables, image), atol=1e-6
    )


def test_images_that_five_pools_leave_nothing_of_are_padded():
    model = Model(name="vgg11", width=4)
    init = jax.jit(get_detector(model).init, static_argnames="size")
    loaded = LoadedDetector(model, init(jax.random.key(0), size=32))
    images = [
        np.random.default_rng(seed).integers(0, 256, (24, 20, 3), dtype=np.uint8)
        for seed in range(3)
    ]
    found = loaded.score(images, crop="none")
    assert np.ptp(found) > 1e-6
    padded = [np.pad(image, ((4, 4), (6, 6), (0, 0))) for image in images]
    np.testing.assert_allclose(loaded.score(padded, crop="none"), found, atol=1e-6)
