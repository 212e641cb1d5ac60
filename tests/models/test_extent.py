import jax
import numpy as np
import pytest

from jaxdet.config import Model
from jaxdet.models.detector import get_detector

SIZES = [(64, 96), (33, 47), (70, 41), (96, 96), (7, 90)]


@pytest.mark.parametrize("arch", ["resnet18", pytest.param("resnet50", marks=pytest.mark.slow)])
def test_images_of_unlike_sizes_score_in_one_array_as_by_themselves(arch):
    detector = get_detector(Model(name=arch, width=8))
    variables = _with_shifts(detector.random(0, size=32))
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]
    # What lies beyond an image is noise here: it must not matter.
    together = rng.integers(0, 256, (len(SIZES), 96, 96, 3), dtype=np.uint8)
    for row, image in enumerate(images):
        together[row, : image.shape[0], : image.shape[1]] = image
    apply = jax.jit(detector.apply)
    got = apply(variables, together, np.array(SIZES, np.int32))
    alone = [float(apply(variables, image[None])[0]) for image in images]
    np.testing.assert_allclose(got, alone, rtol=1e-5, atol=1e-5)
    assert np.ptp(alone) > 0.01


def _with_shifts(variables):
    """Biases and means away from zero, so that features beyond an image would not be zero."""
    rng = np.random.default_rng(1)

    def shift(path, leaf):
        moved = path[-1].key in ("bias", "mean")
        return leaf + rng.normal(0, 0.3, leaf.shape).astype(np.float32) if moved else leaf

    return jax.tree_util.tree_map_with_path(shift, variables)
