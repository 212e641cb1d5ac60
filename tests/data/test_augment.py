import numpy as np
import pytest

from jaxdet.config import Augment
from jaxdet.data import ops
from jaxdet.data.augment import Plan, carry_out, draw_plan, draw_validation_plan
from jaxdet.data.order import TRAIN, random_generator

N = 4000


def carried_out(plan, image, *, crop, **options):
    """RGB in and out, as the pictures of the batch are."""
    out = np.zeros((crop, crop, 3), np.uint8)
    carry_out(plan, image[:, :, ::-1], out=out, **options)
    return out


def plans(augment, draw=draw_plan):
    return [draw(augment, random_generator(5, stream=TRAIN, index=i)) for i in range(N)]


def share(values):
    return float(np.mean(list(values)))


def test_independent_coins_fall_independently():
    drawn = plans(Augment(blur_probability=0.5, jpeg_probability=0.25))
    blurred = np.array([p.sigma is not None for p in drawn])
    compressed = np.array([p.quality is not None for p in drawn])
    # Four standard errors of a share of 0.5 among 4000 are 0.032.
    assert share(blurred) == pytest.approx(0.5, abs=0.032)
    assert share(compressed) == pytest.approx(0.25, abs=0.028)
    assert share(blurred & compressed) == pytest.approx(0.125, abs=0.021)


def test_joint_coin_decides_both():
    drawn = plans(Augment(blur_probability=0.3, jpeg_probability=0.9, coupling="joint"))
    assert all((p.sigma is None) == (p.quality is None) for p in drawn)
    assert share(p.sigma is not None for p in drawn) == pytest.approx(0.3, abs=0.03)


def test_ranges_are_filled_to_both_ends():
    drawn = plans(Augment(blur_probability=1.0, jpeg_probability=1.0, jpeg_quality=(97, 100)))
    assert {p.quality for p in drawn} == {97, 98, 99, 100}
    sigmas = np.array([p.sigma for p in drawn])
    assert sigmas.min() >= 0
    assert sigmas.max() < 3
    assert np.quantile(sigmas, [0.25, 0.5, 0.75]) == pytest.approx([0.75, 1.5, 2.25], abs=0.12)
    assert share(p.codec == "cv2" for p in drawn) == pytest.approx(0.5, abs=0.032)
    assert share(p.flip for p in drawn) == pytest.approx(0.5, abs=0.032)


def test_a_coin_does_not_shift_the_other_draws():
    with_blur = plans(Augment(blur_probability=1.0))
    without = plans(Augment(blur_probability=0.0))
    assert [p.corner for p in with_blur] == [p.corner for p in without]
    assert [p.flip for p in with_blur] == [p.flip for p in without]


def test_published_validation_uses_the_middle_of_the_ranges():
    augment = Augment(blur_probability=0.5, jpeg_probability=0.5)
    drawn = plans(augment, draw_validation_plan)
    assert {p.sigma for p in drawn} == {None, 1.5}
    assert {p.quality for p in drawn} == {None, 65}
    assert {p.codec for p in drawn} == {"pil"}
    assert all(p.corner is None and not p.flip for p in drawn)


def test_operations_run_in_the_published_order():
    image = noise(60, 90)
    plan = Plan(sigma=1.0, quality=60, codec="cv2", corner=(0.5, 0.25), flip=True)
    whole = ops.resize_shorter(image, size=48)
    whole = ops.jpeg(ops.gaussian_blur(whole, sigma=1.0), quality=60, codec="cv2")
    # 48 x 72 leaves 16 rows and 40 columns beside a crop of 32: corners 0..16 and 0..40.
    expected = whole[int(0.5 * 17) :, int(0.25 * 41) :][:32, :32][:, ::-1]
    assert np.array_equal(carried_out(plan, image, crop=32, resize=48), expected)


@pytest.mark.parametrize("backend", ["faithful", "fast"])
@pytest.mark.parametrize("corner", [(0.0, 0.0), (0.999, 0.999), (0.4, 0.7), None])
@pytest.mark.parametrize("sigma", [0.05, 0.6, 2.9])
def test_blurring_only_what_the_crop_needs_changes_no_pixel(backend, corner, sigma):
    image = noise(50, 64)
    whole = ops.gaussian_blur(image, sigma=sigma, backend=backend)
    expected = carried_out(Plan(corner=corner), whole, crop=20)
    found = carried_out(Plan(sigma=sigma, corner=corner), image, crop=20, backend=backend)
    assert np.array_equal(found, expected)


def test_a_blurred_image_smaller_than_the_crop_is_padded_after_it():
    image = noise(10, 30)
    expected = ops.center_crop(ops.gaussian_blur(image, sigma=1.0), size=16)
    assert np.array_equal(carried_out(Plan(sigma=1.0), image, crop=16), expected)


def test_the_image_is_left_alone():
    image = noise(40, 40)
    image.flags.writeable = False
    plan = Plan(sigma=1.0, quality=50, codec="pil", corner=(0.1, 0.1), flip=True)
    for backend in ("faithful", "fast"):
        carried_out(plan, image, crop=24, backend=backend)


def test_fast_compresses_with_opencv_whatever_the_plan_says():
    image = noise(40, 40)
    expected = ops.jpeg(image, quality=70, codec="cv2")
    found = carried_out(Plan(quality=70, codec="pil"), image, crop=40, backend="fast")
    assert np.array_equal(found, expected)


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_every_corner_can_be_drawn():
    image = np.zeros((5, 4, 3), np.uint8)
    image[..., 0] = np.arange(20).reshape(5, 4)
    corners = {
        int(carried_out(p, image, crop=3)[0, 0, 0]) for p in plans(Augment(flip_probability=0.0))
    }
    assert corners == {0, 1, 4, 5, 8, 9}


def test_random_crop_of_a_smaller_image_is_refused():
    with pytest.raises(ValueError, match="20x10 pixels are less than the crop of 16"):
        carried_out(Plan(corner=(0.0, 0.0)), np.zeros((10, 20, 3), np.uint8), crop=16)
