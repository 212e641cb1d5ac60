"""Equalised sets: every image is compressed alike, and the file tells nothing but its sides."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

from jaxdet.data.baseline import metadata_baseline
from jaxdet.data.equalised import equalised
from jaxdet.data.folder import load_set
from jaxdet.data.joined import JoinedSet
from jaxdet.data.loaders import EvalLoader
from jaxdet.data.ops import center_crop
from jaxdet.data.readers import Reader
from tests.conftest import draw_image

READ = {"max_pixels": 10**6}


def write(root, draw):
    """Writes images whose size and ending `draw(label, number)` gives."""
    rng = np.random.default_rng(0)
    for label, folder in enumerate(("0_real", "1_fake")):
        (root / folder).mkdir(parents=True)
        for number in range(24):
            size, suffix = draw(label, number)
            image = Image.fromarray(draw_image(rng, size, bool(label)))
            options = {"quality": 60, "subsampling": 0} if suffix == "jpg" else {}
            image.save(root / folder / f"{number:03}.{suffix}", **options)
    return load_set(root, name="set")


@pytest.fixture
def by_container(tmp_path):
    return write(tmp_path / "c", lambda label, number: ((30, 40), ("jpg", "png")[label]))


def test_every_image_is_compressed_alike(by_container):
    images = equalised(by_container, "jpeg:80")
    assert (images.name, list(images.ids), len(images)) == ("set", list(by_container.ids), 48)
    batch = EvalLoader(read=Reader(images=images, skip_bad=False, **READ), crop=24, batch_size=48)(
        0
    )
    for index in (0, 30):
        content = images.content(index, **READ)
        with Image.open(io.BytesIO(content)) as image:
            assert (image.format, image.size) == ("JPEG", images.size(index)) == ("JPEG", (40, 30))
        file = io.BytesIO()
        rgb = np.asarray(Image.open(by_container.path(index)).convert("RGB"))
        Image.fromarray(rgb).save(file, "JPEG", quality=80)
        assert file.getvalue() == content
        expected = np.asarray(Image.open(file).convert("RGB"))
        assert np.array_equal(images.read(index, **READ)[..., ::-1], expected)
        assert np.array_equal(batch["image"][index], center_crop(expected, size=24))


def test_the_container_tells_nothing_any_more_and_sides_still_do(by_container, tmp_path):
    def baseline(images, equalise):
        return metadata_baseline(equalised(images, equalise), seed=0, **READ)

    assert baseline(by_container, "none").ap == pytest.approx(1.0)
    after = baseline(by_container, "jpeg:96")
    assert after.ap == pytest.approx(0.5, abs=0.2)
    assert not after.exceeds(0.3)
    by_size = write(tmp_path / "s", lambda label, number: (24 + 8 * label, "png"))
    for equalise in ("none", "jpeg:96"):
        assert baseline(by_size, equalise).ap == pytest.approx(1.0)
        assert baseline(by_size, equalise).exceeds(1.0)


def test_scores_of_one_value_are_not_taken_for_those_of_another(by_container):
    known = [equalised(by_container, value) for value in ("none", "jpeg:96", "jpeg:95")]
    assert len({images.identity("times") for images in known}) == 3
    assert len({images.sampled_fingerprint() for images in known}) == 3
    assert known[0] is by_container
    again = pickle.loads(pickle.dumps(known[1]))  # noqa: S301
    assert again.identity("times") == known[1].identity("times")
    some = known[1].take([3, 2], name="some")
    assert (some.name, list(some.ids)) == ("some", [by_container.ids[3], by_container.ids[2]])
    assert some.content(0, **READ) == known[1].content(3, **READ)


def test_shared_real_images_are_still_a_part_of_their_own(by_container):
    real, fake = (
        by_container.take(np.flatnonzero(by_container.labels == label)) for label in (0, 1)
    )
    images = equalised(JoinedSet([real, fake], name="both"), "jpeg:90")
    assert [part.identity("times") for part in images.parts] == [
        equalised(part, "jpeg:90").identity("times") for part in (real, fake)
    ]
    alone = equalised(real, "jpeg:90")
    assert list(alone.parts) == [alone]


def test_an_unreadable_image_is_one_still(by_container):
    by_container.path(1).write_bytes(b"no image")
    images = equalised(by_container, "jpeg:90")
    with pytest.raises((OSError, ValueError), match=r"."):
        images.content(1, **READ)
    assert Reader(images=images, skip_bad=True, **READ)(1) is None
