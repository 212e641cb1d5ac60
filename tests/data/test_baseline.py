"""The metadata baseline: 1 where sizes tell the label, chance where nothing does."""

import numpy as np
import pytest
from PIL import Image

from jaxdet.data.baseline import metadata_baseline
from jaxdet.data.folder import load_set
from tests.conftest import draw_image


def write(root, draw, *, count=40):
    """Writes images whose size and ending `draw(label, number)` gives."""
    rng = np.random.default_rng(0)
    for label, folder in enumerate(("0_real", "1_fake")):
        (root / folder).mkdir(parents=True)
        for number in range(count):
            size, suffix = draw(label, number)
            image = Image.fromarray(draw_image(rng, size, bool(label)))
            image.save(root / folder / f"{number:03}.{suffix}")
    return load_set(root, name="set")


def baseline(images, **options):
    return metadata_baseline(images, **{"max_pixels": 10**6, "seed": 0, **options})


@pytest.mark.parametrize(
    "draw",
    [
        lambda label, number: ((32, 40) if label else (40, 32), "png"),
        lambda label, number: (32, "png" if label else "jpg"),
        lambda label, number: (32 + 8 * label, "webp"),
    ],
)
def test_what_size_or_container_tell_is_one(tmp_path, draw):
    found = baseline(write(tmp_path, draw))
    assert found.ap == pytest.approx(1.0)
    assert found.ci95 == pytest.approx((1.0, 1.0))
    assert found.exceeds(1.0)


@pytest.mark.parametrize(
    "draw",
    [
        lambda label, number: (32, "png"),
        lambda label, number: (24 + 8 * (number % 3), ("png", "jpg")[number % 2]),
    ],
)
def test_what_tells_nothing_is_chance(tmp_path, draw):
    found = baseline(write(tmp_path, draw))
    assert found.chance == 0.5
    assert found.ap == pytest.approx(0.5, abs=0.15)
    assert not found.exceeds(0.3)


def test_broken_files_and_too_few_images(tmp_path):
    images = write(tmp_path, lambda label, number: (32, "png"), count=3)
    for number in range(2):
        images.path(number).write_bytes(b"no image")
    assert baseline(images) is None
    assert baseline(images.take([2, 3, 4, 5])) is None
