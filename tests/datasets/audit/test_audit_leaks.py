import io

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from jaxdet.data.header import quality_of_table
from jaxdet.datasets.audit.pixels import blocking


def jpeg(quality=lambda fake: 90, **options):
    def save(pixels, path, fake):
        chosen = {name: value(fake) for name, value in options.items()}
        Image.fromarray(pixels).save(path.with_suffix(".jpg"), quality=quality(fake), **chosen)

    return save


def png(change=lambda image, fake: image, **options):
    def save(pixels, path, fake):
        chosen = {name: value(fake) for name, value in options.items()}
        change(Image.fromarray(pixels), fake).save(path.with_suffix(".png"), **chosen)

    return save


def jpeg_or_png(pixels, path, fake):
    Image.fromarray(pixels).save(path.with_suffix(".png" if fake else ".jpg"), quality=95)


def exif(fake):
    tags = Image.Exif()
    tags[0x010F] = "Maker"
    return b"" if fake else tags.tobytes()


def text(fake):
    chunks = PngImagePlugin.PngInfo()
    if fake:
        chunks.add_text("parameters", "steps: 30")
    return chunks


def cut(image, fake):
    return image.crop((0, 0, 48, 40 if fake else 48))


PLANTED = {
    "container": (jpeg_or_png, {"container"}),
    "height": (png(cut), {"height", "aspect"}),
    "quality": (jpeg(lambda fake: 75 if fake else 90), {"quality"}),
    "exif": (jpeg(exif=exif), {"exif"}),
    "mode": (png(lambda image, fake: image.convert("L") if fake else image), {"mode"}),
    "alpha": (png(lambda image, fake: image.convert("RGBA") if fake else image), {"mode"}),
    "chroma": (jpeg(subsampling=lambda fake: 0 if fake else 2), {"sampling"}),
    "scan": (jpeg(progressive=lambda fake: not fake), {"scan"}),
    "depth": (
        png(lambda image, fake: image.quantize(16 if fake else 256), bits=lambda f: 4 if f else 8),
        {"depth"},
    ),
    "icc": (png(icc_profile=lambda fake: b"profile" if fake else None), {"icc"}),
    "text": (png(pnginfo=text), {"metadata"}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_leak_is_found_by_its_name_and_ends_in_status_1(name, make_tree, audit, leaks):
    save, expected = PLANTED[name]
    status, findings, said = audit(make_tree(save, count=16, sets=("train/cat", "test/alpha")))
    assert status == 1
    assert leaks(findings) == expected
    assert findings["verdict"] == "faults"
    assert {group["name"] for group in findings["groups"]} == {"train", "test/alpha"}
    assert "FAULTS: " in said.out
    assert said.err == ""


def test_a_leak_of_one_category_is_told_of_it_and_of_the_pool(make_tree, audit):
    make_tree(jpeg_or_png, count=16, sets=("test/gan/cat",))
    root = make_tree(count=16, sets=("test/gan/dog",), seed=1)
    status, findings, _ = audit(root)
    assert status == 1
    aps = {group["name"]: group["cues"]["container"]["ap"] for group in findings["groups"]}
    assert aps["test/gan/cat"] == 1.0
    assert aps["test/gan/dog"] == 0.5
    assert 0.5 < aps["test/gan"] < 1.0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("count", [3, 8, 20])
def test_a_clean_root_passes_however_small(count, seed, make_tree, audit, leaks):
    def vary(pixels, path, fake):
        rng = np.random.default_rng(pixels.sum())
        height, width = rng.integers(30, 48, 2)
        image = Image.fromarray(pixels[:height, :width])
        image.save(path.with_suffix(".jpg"), quality=int(rng.integers(70, 95)))

    status, findings, said = audit(make_tree(vary, count=count, seed=seed))
    assert leaks(findings) == set()
    assert (status, findings["verdict"], findings["faults"]) == (0, "clean", [])
    assert said.out.rstrip().endswith("clean")


def test_a_threshold_says_how_much_is_too_much(make_tree, audit):
    def often(pixels, path, fake):
        often = np.random.default_rng(pixels.sum()).random() < 0.2 + 0.5 * fake
        suffix = ".png" if often else ".ppm"
        Image.fromarray(pixels).save(path.with_suffix(suffix))

    root = make_tree(often, count=60, sets=("train/cat",))
    status, findings, _ = audit(root)
    ap = findings["groups"][0]["cues"]["container"]["ap"]
    assert status == 1
    assert 0.6 < ap < 0.9
    assert audit(root, f"--threshold={ap + 0.01}")[0] == 0


@pytest.mark.parametrize("quality", [1, 30, 50, 75, 92, 100])
def test_quality_is_read_off_the_tables_as_it_was_given(quality):
    content = io.BytesIO()
    Image.new("RGB", (16, 16)).save(content, "JPEG", quality=quality)
    with Image.open(content) as image:
        assert quality_of_table(image.quantization[0]) == quality


def test_blocking_sees_jpeg_wherever_a_crop_has_moved_its_grid():
    noise = np.random.default_rng(5).normal(128, 120, (144, 144))
    grey = cv2.GaussianBlur(noise, (0, 0), 1.5).clip(0, 255).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(grey).save(content, "JPEG", quality=50)
    after = np.asarray(Image.open(content))
    assert blocking(grey) < 0.25
    assert blocking(after) > 0.5
    assert blocking(after[3:, 5:]) > 0.5
    assert np.isnan(blocking(grey[:20]))
