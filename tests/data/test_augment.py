import dataclasses

import numpy as np
import pytest
from PIL import Image

from jaxdet.config import Augment
from jaxdet.config.augment import KERNELS, OPERATIONS
from jaxdet.data import ops
from jaxdet.data.augment import (
    Blur,
    Crop,
    Flip,
    Jpeg,
    Noise,
    Recipe,
    Resize,
    apply_all,
    published_validation,
)
from jaxdet.data.order import Stream, Streams, random_generator

N = 4000


def applied(operations, image, *, crop):
    """RGB in and out, as the pictures of the batch are."""
    out = np.zeros((crop, crop, 3), np.uint8)
    apply_all(operations, image[:, :, ::-1], out=out)
    return out


def sampled(augment, kind, purpose="train"):
    """Returns the operation of a kind on each of many images; None where there is none."""
    every = Recipe(augment)
    return [
        next(
            (one for one in every.sample(Streams(5, purpose, 0, i)) if isinstance(one, kind)), None
        )
        for i in range(N)
    ]


def share(values):
    return float(np.mean(list(values)))


def test_independent_coins_fall_independently():
    augment = Augment(blur_probability=0.5, jpeg_probability=0.25)
    blurred = np.array([one is not None for one in sampled(augment, Blur)])
    compressed = np.array([one is not None for one in sampled(augment, Jpeg)])
    # Four standard errors of a share of 0.5 among 4000 are 0.032.
    assert share(blurred) == pytest.approx(0.5, abs=0.032)
    assert share(compressed) == pytest.approx(0.25, abs=0.028)
    assert share(blurred & compressed) == pytest.approx(0.125, abs=0.021)


def test_joint_coin_decides_both():
    augment = Augment(blur_probability=0.3, jpeg_probability=0.9, coupling="joint")
    blurred, compressed = sampled(augment, Blur), sampled(augment, Jpeg)
    assert [one is None for one in blurred] == [one is None for one in compressed]
    assert share(one is not None for one in blurred) == pytest.approx(0.3, abs=0.03)


def test_ranges_are_filled_to_both_ends():
    augment = Augment(blur_probability=1.0, jpeg_probability=1.0, jpeg_quality=(97, 100))
    assert {one.quality for one in sampled(augment, Jpeg)} == {97, 98, 99, 100}
    sigmas = np.array([one.sigma for one in sampled(augment, Blur)])
    assert sigmas.min() >= 0
    assert sigmas.max() < 3
    assert np.quantile(sigmas, [0.25, 0.5, 0.75]) == pytest.approx([0.75, 1.5, 2.25], abs=0.12)
    codecs = [one.codec for one in sampled(augment, Jpeg)]
    assert share(one == "cv2" for one in codecs) == pytest.approx(0.5, abs=0.032)
    assert share(one is not None for one in sampled(augment, Flip)) == pytest.approx(0.5, abs=0.032)


@pytest.mark.parametrize("scope", ["image", "batch"])
@pytest.mark.parametrize(
    "other",
    [
        {"blur_probability": 1.0},
        {"jpeg_probability": 1.0},
        {"rescale_probability": 1.0},
        {"noise_probability": 1.0, "jpeg_probability": 1.0},
        {"operations": ("flip", "noise", "blur", "crop", "jpeg")},
    ],
)
def test_no_operation_changes_what_another_draws(scope, other):
    plain = {"blur_probability": 0.5, "jpeg_probability": 0.5, "noise_probability": 0.5}
    at = [Streams(5, "train", 2, i, i // 8 if scope == "batch" else None) for i in range(64)]

    def drawn(augment):
        return [{type(one).__name__: one for one in Recipe(augment).sample(s)} for s in at]

    before = drawn(Augment(scope=scope, **plain))
    after = drawn(Augment(scope=scope, **{**plain, **other}))
    for one, two in zip(before, after, strict=True):
        assert all(two[name] == operation for name, operation in one.items() if name in two)
    assert sum(len(one) for one in before) > 200


def test_streams_are_those_of_a_generator_of_their_own():
    """The quick way to a stream gives the bits of Philox set up anew."""
    for seed in (0, 7, 2**40):
        stream = Stream(seed, 9, 3, 11)
        expected = random_generator(seed, stream=9, epoch=3, index=11)
        assert stream.random(3) == expected.random(3).tolist()
        # From its beginning each time, whatever was drawn in between.
        Stream(1, 2, 3, 4).generator().standard_normal(5, np.float32)
        assert stream.generator().integers(2**32, size=5).tolist() == (
            random_generator(seed, stream=9, epoch=3, index=11).integers(2**32, size=5).tolist()
        )
    names = Streams(5, "train", 0, 3), Streams(5, "validation", 0, 3), Streams(5, "train", 1, 3)
    streams = [one.own(name) for one in names for name in "ab"]
    streams += [Streams(5, "train", 0, 3, 3).shared("a"), Streams(6, "train", 0, 3).own("a")]
    assert len({tuple(stream.random(2)) for stream in streams}) == 8


def test_published_validation_uses_the_middle_of_the_ranges():
    augment = published_validation(
        Augment(blur_probability=0.5, jpeg_probability=0.5, noise_probability=1.0,
                rescale_probability=1.0, jpeg_quality_cap=60)
    )  # fmt: skip
    assert {one and one.sigma for one in sampled(augment, Blur)} == {None, 1.5}
    jpegs = [one for one in sampled(augment, Jpeg) if one]
    assert {one.quality for one in jpegs} == {65}
    assert {one.codec for one in jpegs} == {"pil"}
    assert len(jpegs) == pytest.approx(N / 2, abs=130)
    assert {one.corner for one in sampled(augment, Crop)} == {None}
    kinds = {type(one) for i in range(50) for one in Recipe(augment).sample(Streams(5, "v", 0, i))}
    assert kinds == {Blur, Jpeg, Crop}


def test_operations_run_in_the_published_order():
    image = noise(60, 90)
    operations = [
        Resize(48), Blur(sigma=1.0), Jpeg(quality=60, codec="cv2"),
        Crop(side=32, corner=(0.5, 0.25)), Flip(),
    ]  # fmt: skip
    whole = ops.resize_shorter(image, size=48)
    whole = ops.jpeg(ops.gaussian_blur(whole, sigma=1.0), quality=60, codec="cv2")
    # 48 x 72 leaves 16 rows and 40 columns beside a crop of 32: corners 0..16 and 0..40.
    expected = whole[int(0.5 * 17) :, int(0.25 * 41) :][:32, :32][:, ::-1]
    assert np.array_equal(applied(operations, image, crop=32), expected)
    every = Augment(
        resize=48, crop=32, blur_probability=1.0, jpeg_probability=1.0, noise_probability=1.0,
        rescale_probability=1.0, flip_probability=1.0,
    )  # fmt: skip
    kinds = [type(one).__name__ for one in Recipe(every).sample(Streams(5, "train", 0, 0))]
    assert kinds == ["Resize", "Rescale", "Blur", "Jpeg", "Crop", "Noise", "Flip"]


@pytest.mark.parametrize("backend", ["faithful", "fast"])
@pytest.mark.parametrize("corner", [(0.0, 0.0), (0.999, 0.999), (0.4, 0.7), None])
@pytest.mark.parametrize("sigma", [0.05, 0.6, 2.9])
def test_blurring_only_what_the_crop_needs_changes_no_pixel(backend, corner, sigma):
    image = noise(50, 64)
    whole = ops.gaussian_blur(image, sigma=sigma, backend=backend)
    crop = Crop(side=20, corner=corner)
    expected = applied([crop], whole, crop=20)
    blur = Blur(sigma=sigma, backend=backend)
    assert np.array_equal(applied([blur, crop], image, crop=20), expected)
    twice = ops.gaussian_blur(whole, sigma=sigma, backend=backend)
    assert np.array_equal(
        applied([blur, blur, crop], image, crop=20), applied([crop], twice, crop=20)
    )


def test_a_blurred_image_smaller_than_the_crop_is_padded_after_it():
    image = noise(10, 30)
    expected = ops.center_crop(ops.gaussian_blur(image, sigma=1.0), size=16)
    assert np.array_equal(applied([Blur(sigma=1.0), Crop(side=16)], image, crop=16), expected)


def test_the_image_is_left_alone():
    image = noise(40, 40)
    image.flags.writeable = False
    for backend in ("faithful", "fast"):
        noise_of_one = Noise(sigma=2.0, stream=Stream(1, 2, 3, 4))
        operations = [Blur(sigma=1.0, backend=backend), Jpeg(quality=50),
                      Crop(side=24, corner=(0.1, 0.1)), Flip(), noise_of_one]  # fmt: skip
        applied(operations, image, crop=24)


def test_fast_compresses_with_opencv_whatever_encoder_is_drawn():
    augment = Augment(jpeg_probability=1.0, jpeg_codecs=("pil",), backend="fast")
    assert {one.codec for one in sampled(augment, Jpeg)} == {"cv2"}
    image = noise(40, 40)
    expected = ops.jpeg(image, quality=70, codec="cv2")
    compressed = applied([Jpeg(quality=70, codec="cv2"), Crop(side=40)], image, crop=40)
    assert np.array_equal(compressed, expected)


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_every_corner_can_be_drawn():
    image = np.zeros((5, 4, 3), np.uint8)
    image[..., 0] = np.arange(20).reshape(5, 4)
    crops = sampled(Augment(crop=3), Crop)
    corners = {int(applied([one], image, crop=3)[0, 0, 0]) for one in crops}
    assert corners == {0, 1, 4, 5, 8, 9}


def test_random_crop_of_a_smaller_image_is_refused():
    with pytest.raises(ValueError, match="20x10 pixels are less than the crop of 16"):
        applied([Crop(side=16, corner=(0.0, 0.0))], np.zeros((10, 20, 3), np.uint8), crop=16)


def test_a_smaller_image_is_padded_at_a_random_place_where_that_is_asked_for():
    image, seen = np.full((3, 9, 3), 255, np.uint8), set()
    for number in range(200):
        augment = Augment(crop=6, small_images="pad", operations=("crop",))
        (crop,) = Recipe(augment).sample(Streams(0, "train", 0, number))
        out = crop.apply(image)
        assert out.shape == (6, 6, 3)
        rows = np.flatnonzero(out[:, 0, 0])
        assert list(rows) == list(range(rows[0], rows[0] + 3))
        assert (out[rows] == 255).all()
        seen.add(int(rows[0]))
    assert seen == {0, 1, 2, 3}


def test_images_are_resized_by_the_kernel_that_is_asked_for():
    image = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    for kernel in KERNELS:
        augment = Augment(resize=24, resize_kernel=kernel, crop=24, operations=("resize", "crop"))
        resizing, _ = Recipe(augment).sample(Streams(0, "train", 0, 0))
        clean = Recipe(dataclasses.replace(augment, views=("clean",)))
        assert clean.sample(Streams(0, "train", 0, 0))[0] == resizing
        filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
        expected = np.asarray(Image.fromarray(image).resize((24, 32), filters[kernel]))
        assert np.array_equal(resizing.apply(image), expected)


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_that_the_schema_names_is_there(name):
    operations = ("crop",) if name == "crop" else (name, "crop")
    streams = Streams(0, "train", 0, 0)
    assert isinstance(Recipe(Augment(operations=operations)).sample(streams)[-1], Crop)
