import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image
from scipy import ndimage

from jaxdet.data import ops
from jaxdet.data.ops import blur

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "augment_seed1.npz")
BLURS = [key for key in GOLDEN.files if key.startswith("blur_") and "then" not in key]
JPEGS = [key for key in GOLDEN.files if key.startswith("jpeg_")]


def largest(a, b):
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("key", BLURS)
def test_faithful_blur_is_the_published_one_bit_by_bit(key):
    _, number, sigma = key.split("_")
    image = GOLDEN[f"input_{number}"]
    blurred = ops.gaussian_blur(image, sigma=float(sigma), backend="faithful")
    assert np.array_equal(blurred, GOLDEN[key])


@pytest.mark.parametrize("key", BLURS)
def test_fast_blur_is_at_most_one_level_from_the_published_one(key):
    _, number, sigma = key.split("_")
    image = GOLDEN[f"input_{number}"]
    assert largest(ops.gaussian_blur(image, sigma=float(sigma), backend="fast"), GOLDEN[key]) <= 1


def pictures():
    """Photographs' crops, noise, flat areas with edges between them, black and white."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (64, 48, 3), dtype=np.uint8)
    flat = np.kron(rng.integers(0, 256, (8, 6, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
    photograph = skimage.data.astronaut()[100:228, 150:278]
    white = photograph.copy()
    white[:60] = 255
    white[60:90, :50] = 0
    return {"noise": noise, "flat": flat, "photograph": photograph, "white": white}


@pytest.mark.parametrize("name", pictures())
def test_both_blurs_keep_their_promise_for_any_sigma_and_picture(name):
    image = pictures()[name]
    for sigma in np.linspace(0.02, 3.2, 54):
        published = image.copy()
        for channel in range(3):
            plane = published[:, :, channel]
            ndimage.gaussian_filter(plane, sigma=sigma, output=plane)
        faithful = ops.gaussian_blur(image, sigma=sigma, backend="faithful")
        assert np.array_equal(faithful, published), sigma
        assert largest(ops.gaussian_blur(image, sigma=sigma, backend="fast"), published) <= 1, sigma


def test_a_machine_that_adds_otherwise_gets_scipy_itself(monkeypatch):
    image = pictures()["photograph"]
    expected = ops.gaussian_blur(image, sigma=1.3)
    monkeypatch.setattr(blur, "_is_exact_here", lambda: False)
    monkeypatch.setattr(blur, "_truncated", None)
    assert np.array_equal(ops.gaussian_blur(image, sigma=1.3), expected)


@pytest.mark.parametrize("backend", ["faithful", "fast"])
def test_blur_leaves_its_input_alone(backend):
    image = GOLDEN["input_0"].copy()
    ops.gaussian_blur(image, sigma=2.0, backend=backend)
    assert np.array_equal(image, GOLDEN["input_0"])


@pytest.mark.parametrize("key", JPEGS)
def test_jpeg_is_the_published_one(key):
    _, codec, number, quality = key.split("_")
    compressed = ops.jpeg(GOLDEN[f"input_{number}"], quality=int(quality), codec=codec)
    # Releases of libjpeg-turbo round differently by up to two levels.
    assert largest(compressed, GOLDEN[key]) <= 2


@pytest.mark.parametrize("number", [0, 1])
def test_blur_then_jpeg_is_the_published_order(number):
    blurred = ops.gaussian_blur(GOLDEN[f"input_{number}"], sigma=1.2)
    compressed = ops.jpeg(blurred, quality=50, codec="pil")
    assert largest(compressed, GOLDEN[f"blur_then_jpeg_{number}"]) <= 2


@pytest.mark.parametrize("number", [0, 1])
def test_resize_of_the_shorter_side_is_the_published_one(number):
    resized = ops.resize_shorter(GOLDEN[f"input_{number}"], size=48)
    assert np.array_equal(resized, GOLDEN[f"resize48_{number}"])


@pytest.mark.parametrize("call", [
    lambda image: ops.gaussian_blur(image, sigma=1.0, backend="slow"),
    lambda image: ops.jpeg(image, quality=50, codec="gif"),
])  # fmt: skip
def test_unknown_names_are_refused(call):
    with pytest.raises(ValueError, match="neither"):
        call(GOLDEN["input_0"])


def test_centre_crop_rounds_to_even_as_torchvision_does():
    image = np.arange(11 * 13 * 3, dtype=np.uint8).reshape(11, 13, 3)
    # (11 - 8) / 2 = 1.5 -> 2 and (13 - 8) / 2 = 2.5 -> 2
    assert np.array_equal(ops.center_crop(image, size=8), image[2:10, 2:10])


def test_centre_crop_pads_a_smaller_image_with_black():
    image = np.full((3, 10, 3), 200, np.uint8)
    padded = ops.center_crop(image, size=6)
    assert padded.shape == (6, 6, 3)
    # One row above, two below, columns 2..8 of the image between.
    assert (padded[1:4] == 200).all()
    assert (padded[[0, 4, 5]] == 0).all()


@pytest.mark.parametrize(("height", "width"), [(1, 200_000), (7, 5), (8, 9), (30, 6), (33, 21)])
def test_the_centre_is_padded_and_not_the_whole(height, width):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    middle = image[:, width // 2 - 50 : width // 2 + 50] if width > 1000 else image
    padded = ops.pad_to(middle, size=8)
    top, left = (ops.center_corner(side, 8) for side in padded.shape[:2])
    expected = ops.crop_at(padded, top=top, left=left, size=8)
    assert np.array_equal(ops.center_crop(image, size=8), expected)
    # A strip of 200,000 pixels would take 12 GB in a square of 20,000 of its length.
    assert ops.center_crop(image, size=2000).shape == (2000, 2000, 3)


def test_nothing_absurdly_large_is_made_of_an_image():
    strip = np.zeros((2, 2000, 3), np.uint8)
    for make in (lambda: ops.resize_shorter(strip, size=1000), lambda: ops.scale(strip, factor=80),
                 lambda: ops.pad_to(strip, size=9000)):  # fmt: skip
        with pytest.raises(ValueError, match=r"would become .* pixels by padding or resizing"):
            make()
    assert ops.resize_shorter(strip, size=50).shape == (50, 50_000, 3)
    for order in ("rgb", "bgr"):
        with pytest.raises(ValueError, match="a side of 70000 pixels is too long for a JPEG"):
            ops.jpeg(np.zeros((1, 70_000, 3), np.uint8), quality=90, order=order)


def test_flip_and_crop_are_views_of_the_right_pixels():
    image = GOLDEN["input_1"]
    assert np.array_equal(ops.flip(image)[:, 0], image[:, -1])
    assert np.array_equal(ops.crop_at(image, top=3, left=5, size=20), image[3:23, 5:25])


def encode(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def test_decode_converts_every_mode_as_pillow_does():
    rgb = Image.fromarray(GOLDEN["input_0"])
    for image, options in [
        (rgb, {"format": "png"}),
        (rgb.convert("L"), {"format": "png"}),
        (rgb.quantize(16), {"format": "png"}),
        (rgb.convert("RGBA"), {"format": "png"}),
        (rgb.convert("CMYK"), {"format": "jpeg"}),
    ]:
        content = encode(image, **options)
        expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        assert np.array_equal(ops.decode(content, max_pixels=10_000), expected)


@pytest.mark.parametrize(
    ("least_side", "shape"),
    [(0, (600, 902)), (601, (600, 902)), (300, (300, 451)), (140, (150, 226)), (10, (75, 113))],
)
def test_jpegs_are_decoded_at_the_part_of_their_size_that_is_enough(least_side, shape):
    photograph = Image.fromarray(skimage.data.astronaut()).resize((902, 600))
    content = encode(photograph, format="jpeg", quality=90)
    found = ops.decode(content, max_pixels=10**6, least_side=least_side)
    assert found.shape == (*shape, 3)
    # The same picture: what the half of it loses is noise of the compression.
    scaled, whole = (
        ops.resize_shorter(pixels, size=32).astype(int)
        for pixels in (found, ops.decode(content, max_pixels=10**6))
    )
    assert np.abs(scaled[:, :45] - whole[:, :45]).mean() < 2
    plain = encode(photograph, format="png")
    assert ops.decode(plain, max_pixels=10**6, least_side=least_side).shape == (600, 902, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not an image"),
        (b"just some text", "not an image"),
        (encode(Image.fromarray(GOLDEN["input_0"]), format="jpeg")[:900], "damaged"),
        (encode(Image.fromarray(GOLDEN["input_0"]), format="png")[:3000], "damaged"),
        (encode(Image.fromarray(GOLDEN["input_0"]), format="png"), "max_pixels"),
    ],
)
def test_decode_refuses_with_a_reason(content, reason):
    limit = 100 if reason == "max_pixels" else 10_000
    with pytest.raises(ValueError, match=reason):
        ops.decode(content, max_pixels=limit)


def test_sharpness_falls_under_blur():
    image = GOLDEN["input_0"]
    blurred = ops.gaussian_blur(image, sigma=1.5)
    assert ops.laplacian_variance(blurred) < ops.laplacian_variance(image) / 4
    assert ops.laplacian_variance(np.full((9, 9, 3), 77, np.uint8)) == 0


@pytest.mark.parametrize(
    ("kind", "keep"), [("avif", 300), ("dds", 132), ("webp", 200), ("tiff", 400), ("gif", 60)]
)
def test_damage_in_any_container_is_one_kind_of_error(kind, keep):
    content = bytearray(encode(Image.fromarray(GOLDEN["input_0"]), format=kind))
    for damaged in (content[:keep], content[:60] + bytes(40) + content[100:]):
        # Some decoders make up what is missing; none may raise anything else.
        with contextlib.suppress(ValueError):
            assert ops.decode(bytes(damaged), max_pixels=10_000).dtype == np.uint8


def test_a_broken_avif_is_a_damaged_image():
    content = encode(Image.fromarray(GOLDEN["input_0"]), format="avif")
    broken = content.replace(b"iloc", b"free", 1)
    with pytest.raises(ValueError, match="image"):
        ops.decode(broken, max_pixels=10_000)
