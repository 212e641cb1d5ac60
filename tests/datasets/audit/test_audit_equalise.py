import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from jaxdet.datasets.audit.equalise import Plan, equal
from tests.conftest import draw_image, killed_while_writing

REPOSITORY = Path(__file__).parents[3]


def leaking(pixels, path, fake):
    """Container, size, quality, mode and metadata all tell the label."""
    image = Image.fromarray(pixels)
    if fake:
        chunks = PngImagePlugin.PngInfo()
        chunks.add_text("parameters", "steps: 30")
        image.convert("RGBA").save(path.with_suffix(".png"), pnginfo=chunks)
        return
    tags = Image.Exif()
    tags[0x010F] = "Maker"
    quality = 80 + int(path.name) % 10
    image.crop((0, 0, 44, 40)).save(path.with_suffix(".jpg"), quality=quality, exif=tags)


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_leaking_root_fails_and_its_copy_passes(make_tree, audit, leaks, tmp_path):
    root, copy = make_tree(leaking, count=16), tmp_path / "copy"
    before = files(root)
    status, findings, _ = audit(root)
    assert status == 1
    assert {"container", "width", "height", "mode", "exif", "metadata"} <= leaks(findings)
    status, _, said = audit(root, f"--equalise={copy}")
    assert status == 0
    assert "44 x 40 pixels, JPEG of quality 80" in said.out
    assert "96 images written, 0 already there; left out: 0 broken, 0 too small" in said.out
    assert files(root) == before
    status, findings, _ = audit(copy)
    assert (status, leaks(findings)) == (0, set())
    shown = {cue for g in findings["groups"] for cue, one in g["cues"].items()
             if one["kind"] == "leak" and not one["constant"]}  # fmt: skip
    assert shown <= {"quality", "sampling"}


def test_lossless_images_stay_lossless_and_are_cut_not_scaled(make_tree, audit, tmp_path):
    def tall(pixels, path, fake):
        Image.fromarray(pixels[: 48 if fake else 44]).save(
            path.with_suffix(".bmp" if fake else ".png")
        )

    root, copy = make_tree(tall, count=8, sets=("test/alpha",)), tmp_path / "copy"
    assert audit(root, f"--equalise={copy}")[0] == 0
    sources = {np.asarray(Image.open(p))[:44].tobytes() for p in root.rglob("*.*")}
    copies = list(copy.rglob("*.png"))
    assert len(copies) == 16
    assert {np.asarray(Image.open(p)).tobytes() for p in copies} == sources
    assert not any(part in str(p.name) for p in copies for part in ("000", "real", "fake"))


def test_broken_and_small_images_are_left_out_and_counted(make_tree, audit, tmp_path):
    root, copy = make_tree(count=8), tmp_path / "copy"
    (root / "train/cat/0_real/000.png").write_bytes(b"")
    Image.new("RGB", (20, 48)).save(root / "train/cat/1_fake/000.png")
    _, _, said = audit(root, f"--equalise={copy}", "--equalise-size=32")
    assert "46 images written, 0 already there; left out: 1 broken, 1 too small" in said.out
    assert {Image.open(p).size for p in copy.rglob("*.png")} == {(32, 32)}


def test_it_goes_on_where_it_stopped_and_overwrites_nothing(make_tree, audit, tmp_path):
    root, copy = make_tree(leaking, count=4), tmp_path / "copy"
    killed_while_writing(copy / "equalise.json")
    audit(root, f"--equalise={copy}")
    whole = files(copy)
    lost = sorted(copy.rglob("*.jpg"))[:5]
    for path in lost:
        path.unlink()
    kept = sorted(copy.rglob("*.jpg"))[0]
    stamp = kept.stat().st_mtime_ns
    killed_while_writing(kept.parent / "half.jpg")
    _, _, said = audit(root, f"--equalise={copy}")
    assert "5 images written, 19 already there" in said.out
    assert files(copy) == whole
    assert kept.stat().st_mtime_ns == stamp
    moved = sorted((root / "train/cat/0_real").iterdir())[-1]
    moved.rename(moved.with_name("renamed.png"))  # the copy of the old name would stay
    status, _, said = audit(root, f"--equalise={copy}")
    assert (status, "a copy of other images" in said.err) == (2, True)


def test_two_at_once_leave_a_whole_copy_and_one_says_who_is_at_work(make_tree, audit, tmp_path):
    root = make_tree(leaking, count=16)
    audit(root, f"--equalise={tmp_path / 'alone'}")
    command = [sys.executable, "-m", "jaxdet.data", "audit", str(root)]
    both = [subprocess.Popen([*command, f"--equalise={tmp_path}/copy"], cwd=REPOSITORY, text=True,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for _ in range(2)]  # fmt: skip
    said = [process.communicate()[1].splitlines()[-1:] for process in both]
    ended = sorted((process.returncode, lines) for process, lines in zip(both, said, strict=True))
    assert ended[0][0] == 0
    if ended[1][0]:  # else one came after the other
        assert ended[1][0] == 2
        assert "copy: another process works on it (pid " in ended[1][1][0]
    assert files(tmp_path / "copy") == files(tmp_path / "alone")


def test_a_copy_made_otherwise_or_a_used_folder_is_refused(make_tree, audit, tmp_path):
    root, copy = make_tree(count=4), tmp_path / "copy"
    audit(root, f"--equalise={copy}")
    for flags, words in [
        ((f"--equalise={copy}", "--equalise-size=40"), "made in another way"),
        ((f"--equalise={root / 'inside'}",), f"lies in {root}, which is read"),
        ((f"--equalise={tmp_path}",), f"holds {root}, which is read"),
        ((f"--equalise={copy / 'train'}",), "is not empty"),
        ((f"--equalise={tmp_path / 'new'}", "--equalise-size=99"), "no image is as large"),
        (("--equalise-size=40",), "--equalise=DST"),
    ]:
        status, _, said = audit(root, *flags)
        assert status == 2, flags
        assert words in said.err
    assert not (tmp_path / "new").exists()
    assert not (root / "inside").exists()
    assert set(json.loads((copy / "equalise.json").read_text())["plans"]) == {
        "train and val", "test/alpha",
    }  # fmt: skip


def test_an_image_that_was_never_compressed_gets_two_passes_like_the_others():
    image = draw_image(np.random.default_rng(0), 64, False)
    plan = Plan(height=40, width=48, quality=60, before=((90, "4:4:4"),))
    first = io.BytesIO()
    Image.fromarray(image).save(first, "JPEG", quality=90, subsampling="4:4:4")
    once = np.asarray(Image.open(first))
    assert equal(image, plan, compressed=False, draw=5) == equal(
        once, plan, compressed=True, draw=0
    )


@pytest.mark.parametrize(("height", "top"), [(64, 0), (80, 0), (100, 16), (128, 32)])
def test_the_cut_keeps_to_the_grid_of_the_blocks(height, top):
    image = draw_image(np.random.default_rng(1), (height, 64), False)
    content = equal(image, Plan(height=64, width=64, quality=None), compressed=True, draw=0)
    cut = np.asarray(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(cut, image[top : top + 64])
