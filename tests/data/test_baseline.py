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


def test_a_label_of_few_images_is_looked_at_whole(tmp_path, monkeypatch):
    """100 real images among 100,000 fakes would else be one: here 10 among 120, ten looked at."""
    monkeypatch.setattr("jaxdet.data.baseline.MOST", 40)
    monkeypatch.setattr("jaxdet.data.baseline.FLOOR", 10)
    rng = np.random.default_rng(0)
    for folder, count in (("0_real", 10), ("1_fake", 120)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            # Half of the fakes are as large as the real images.
            side = 24 if folder == "0_real" or number % 2 else 32
            image = Image.fromarray(draw_image(rng, side, folder == "1_fake"))
            image.save(tmp_path / folder / f"{number:03}.png")
    found = baseline(load_set(tmp_path, name="set"))
    assert found.chance == pytest.approx(120 / 130)
    # The share of fakes of the set, not of those that were looked at: 37 of 47.
    assert found.chance < found.ap < 1
    assert found.ap == pytest.approx(60 / 120 + 60 / 120 * 120 / 130, abs=0.03)
