"""Files that are not what their names say: read as told, refused in a line, never waited for."""

import io
import os
import shutil
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxdet.config import Augment, Data
from jaxdet.data import ops
from jaxdet.data.folder import load_set, read_size
from jaxdet.data.loaders import EvalLoader, TrainLoader
from jaxdet.data.readers import evaluation_reader, training_reader
from jaxdet.data.regular import read_image_file
from jaxdet.datasets.audit.places import list_root
from jaxdet.datasets.audit.scan import scan
from jaxdet.datasets.verify.tree import Expect, verify_tree
from jaxdet.errors import BadImageError, UserError
from jaxdet.predict.files import find_images, read_ahead
from jaxdet.scoring.loader import PieceLoader
from jaxdet.scoring.protocol import Protocol
from tests.conftest import draw_image, write_images
from tests.environment import importing
from tests.fuzz import build

REPOSITORY = Path(__file__).parents[2]
PIXELS = draw_image(np.random.default_rng(0), (20, 30), fake=False)
PICTURE = Image.fromarray(PIXELS)


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decoded(content, *, max_pixels=10**6):
    """The pixels, which both ways to them give."""
    pixels = ops.decode(content, max_pixels=max_pixels)
    assert np.array_equal(ops.decode_bgr(content, max_pixels=max_pixels)[:, :, ::-1], pixels)
    return pixels


def png_of(width, height, *, depth=8, colour=2):
    """A sound header over next to no pixels."""
    data = zlib.compress(b"\0" * 64)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, body in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
        (b"IDAT", data),
        (b"IEND", b""),
    ):
        content += struct.pack(">I", len(body)) + kind + body
        content += struct.pack(">I", zlib.crc32(kind + body))
    return content


def test_alpha_is_dropped_and_a_palette_becomes_rgb():
    alpha = PICTURE.copy()
    alpha.putalpha(Image.linear_gradient("L").resize(PICTURE.size))
    assert np.array_equal(decoded(encoded(alpha, "png")), PIXELS)
    palette = PICTURE.quantize(16)
    assert np.array_equal(decoded(encoded(palette, "png")), np.asarray(palette.convert("RGB")))


def test_cmyk_becomes_rgb():
    content = encoded(PICTURE.convert("CMYK"), "jpeg", quality=100)
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == "CMYK"
    assert np.abs(decoded(content).astype(int) - PIXELS).mean() < 20


@pytest.mark.parametrize("kind", ["png", "tiff", "ppm"])
def test_sixteen_bits_become_eight_by_scaling(kind):
    levels = (np.arange(600 * 3, dtype=np.uint16).reshape(600, 3) * 36).astype(np.uint16)
    pixels = decoded(encoded(Image.fromarray(levels), kind))
    assert np.array_equal(pixels[:, :, 0], (levels / 257 + 0.5).astype(np.uint8))


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tiff"])
def test_of_an_animation_the_first_frame_counts(kind):
    frames = [PICTURE, Image.new("RGB", PICTURE.size)]
    options = {"lossless": True} if kind == "webp" else {}
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    difference = np.abs(decoded(content).astype(int) - PIXELS)
    assert difference.max() == 0 if kind != "gif" else difference.mean() < 12


def test_a_wrong_ending_does_not_matter_but_is_told_by_audit(tmp_path):
    root = tmp_path / "root"
    write_images(root / "train" / "a", count=2)
    path = root / "train" / "a" / "0_real" / "000.png"
    path.write_bytes(encoded(PICTURE, "jpeg"))
    images = load_set(root / "train", name="x")
    assert images.read(0, max_pixels=10**6).shape == (20, 30, 3)
    found = scan(list_root(root), max_pixels=10**6, advance=lambda: None)
    assert [one.text for one in found.misnamed] == ["named PNG, is JPEG"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not an image"),
        (b"<html>", "not an image"),
        (encoded(PICTURE, "png")[:-200], "damaged image"),
        (encoded(PICTURE, "jpeg")[:400], "damaged image"),
        (png_of(100_000, 100_000), "100000x100000 pixels are more|more than Pillow decodes"),
        (png_of(9_000, 9_000), "9000x9000 pixels are more than data.max_pixels=1000000"),
        (png_of(1, 2000), "1x2000 pixels: a side is more than 1024 times the other"),
        (png_of(0, 20), "no pixels|damaged|not an image"),
        (encoded(Image.new("RGB", (3000, 3000)), "gif"), "3000x3000 pixels are more"),
        (encoded(PICTURE, "eps"), "not an image"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(content, says):
    for decode in (ops.decode, ops.decode_bgr):
        with pytest.raises(ValueError, match=says):
            decode(content, max_pixels=10**6)


def jumping_bitmap(side):
    """A BMP whose few bytes go to the end of each row, which Pillow fills pixel by pixel."""
    steps = b"\1\1\0\0" * side
    head = struct.pack("<IiiHHIIIIII", 40, side, side, 1, 8, 1, len(steps), 0, 0, 256, 0)
    return b"BM" + struct.pack("<III", 1078 + len(steps), 0, 1078) + head + bytes(1024) + steps


@pytest.mark.parametrize(
    "content",
    [jumping_bitmap(4000), b"P6\n12000 12000\n255\n" + bytes(1000),
     encoded(Image.new("1", (8000, 8000)), "tiff", compression="group4")],
)  # fmt: skip
def test_no_room_is_made_for_pixels_that_a_file_cannot_hold(content):
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"pixels in \d+ bytes: cut short, or empty by design"):
        ops.decode(content, max_pixels=10**9)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_a_tiff_of_a_thousand_previews_is_not_followed():
    tags = [(254, 4, 1, 1), (256, 4, 1, 4), (257, 4, 1, 4), (258, 3, 1, 8), (259, 3, 1, 1),
            (262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 1), (279, 4, 1, 16)]  # fmt: skip
    pages = [(tags, n + 1) for n in range(1000)]
    with pytest.raises(ValueError, match="a TIFF of previews alone"):
        ops.decode(build.tiff(pages, data=bytes(48)), max_pixels=10**6)


def test_another_package_does_not_bring_a_format_back(monkeypatch):
    """Whatever is registered with Pillow: a reader that asks Pillow again would open anything."""
    Image.init()

    def foreign(file, name):
        raise AssertionError("was asked")

    monkeypatch.setitem(Image.OPEN, "EVIL", (foreign, lambda prefix: True))
    monkeypatch.setattr(Image, "ID", ["EVIL", *Image.ID])
    assert np.array_equal(decoded(encoded(PICTURE, "png")), PIXELS)
    monkeypatch.setitem(Image.OPEN, "PNG", (foreign, lambda prefix: True))
    with pytest.raises(ValueError, match=r"PNG is read by the package .*, not by Pillow"):
        ops.decode(encoded(PICTURE, "png"), max_pixels=10**6)


@pytest.mark.parametrize("policy", ["stop", "skip"])
def test_what_would_become_absurdly_large_is_an_unreadable_image(tmp_path, policy):
    folder = write_images(tmp_path / "train" / "a", count=2)
    Image.new("L", (1000, 1)).save(folder / "0_real" / "000.png")
    read = evaluation_reader(Data(on_bad_image=policy), load_set(tmp_path / "train", name="x"))
    says = r"000\.png: would become 512000x512 pixels by padding or resizing, which is absurd; mend"
    crops = EvalLoader(read=read, crop=24, batch_size=4, resize=512)
    five = PieceLoader(read=read, protocol=Protocol("five_crops", 30_000))
    if policy == "stop":
        with pytest.raises(BadImageError, match=says):
            crops(0)
        with pytest.raises(BadImageError, match="would become 30000x30000 pixels"):
            five(0)
        return
    assert crops(0)["bad"].tolist() == [0, -1, -1, -1]
    assert crops(0)["valid"].tolist() == [False, True, True, True]
    assert five(0) == []


def test_a_bomb_is_refused_by_its_header(tmp_path):
    # 49 megapixels of one colour in 48 kB, and just above the limit.
    bomb = encoded(Image.new("RGB", (7000, 7000)), "png")
    assert len(bomb) < 200_000
    with pytest.raises(ValueError, match="7000x7000 pixels are more"):
        ops.decode_bgr(bomb, max_pixels=48_999_999)
    (tmp_path / "x.png").write_bytes(bomb)
    assert read_size(tmp_path / "x.png") == (7000, 7000)


def test_a_file_larger_than_any_image_is_not_read(tmp_path):
    with (tmp_path / "x.png").open("wb") as file:
        file.truncate(2**40)  # no blocks behind it
    with pytest.raises(ValueError, match=r"larger than any image within data\.max_pixels=1000"):
        read_image_file(tmp_path / "x.png", max_pixels=1000)


@pytest.fixture
def odd_root(tmp_path):
    """Eight images of each label; three reals are a pipe, a link to nowhere and one to itself."""
    root = tmp_path / "root"
    folder = write_images(root / "train" / "a", count=8) / "0_real"
    for name in ("001", "003", "005"):
        (folder / f"{name}.png").unlink()
    os.mkfifo(folder / "001.png")
    (folder / "003.png").symlink_to("nowhere.png")
    (folder / "005.png").symlink_to("005.png")
    return root


REASONS = {
    "001.png": "is no regular file",
    "003.png": "No such file or directory",
    "005.png": "Too many levels of symbolic links",
}


def loader_of(root, policy, *, training):
    images = load_set(root / "train", name="train")
    data = Data(on_bad_image=policy)
    if training:
        read = training_reader(data, Augment(), images)
        return TrainLoader(read=read, augment=Augment(crop=24), seed=1, batch_size=16)
    return EvalLoader(read=evaluation_reader(data, images), crop=24, batch_size=16)


def test_stop_names_pipes_and_links_to_nowhere(odd_root):
    for training in (True, False):
        load = loader_of(odd_root, "stop", training=training)
        with pytest.raises(BadImageError, match=r"00[135]\.png: (is no|No such|Too many)"):
            load(0)


@pytest.mark.parametrize("policy", ["skip", "replace"])
def test_in_training_neighbours_take_their_places_and_all_others_stay(odd_root, tmp_path, policy):
    whole = tmp_path / "whole"
    write_images(whole / "train" / "a", count=8)
    batch = loader_of(odd_root, policy, training=True)(0)
    as_whole = loader_of(whole, policy, training=True)(0)
    assert np.array_equal(batch["label"], as_whole["label"])
    untouched = batch["bad"] < 0
    assert (~untouched).sum() == 3
    for name in ("image", "index", "valid"):
        assert np.array_equal(batch[name][untouched], as_whole[name][untouched])
    assert np.array_equal(batch["index"][~untouched], as_whole["index"][~untouched] + 1)


def test_in_evaluation_skip_leaves_out_and_counts_and_replace_stops(odd_root):
    batch = loader_of(odd_root, "skip", training=False)(0)
    assert sorted(batch["bad"][batch["bad"] >= 0].tolist()) == [1, 3, 5]
    assert batch["valid"].sum() == 13
    with pytest.raises(BadImageError, match=r"001\.png: is no regular file; .*on_bad_image=skip"):
        loader_of(odd_root, "replace", training=False)(0)


def test_verify_audit_and_predict_name_them(odd_root):
    report = verify_tree(odd_root, expect=Expect.NOTHING)
    told = {Path(one.path).name: one.detail for one in report.findings}
    assert told == {name: f"cannot be read: {why}" for name, why in REASONS.items()}
    faults = scan(list_root(odd_root), max_pixels=10**6, advance=lambda: None).broken
    assert {Path(one.path).name: one.text for one in faults} == REASONS
    folder = odd_root / "train" / "a" / "0_real"
    paths = [*find_images([folder])[0], Path("/dev/zero")]
    assert len(paths) == 9
    read = zip(paths, read_ahead(paths, max_pixels=10**6), strict=True)
    bad = [path.name for path, found in read if isinstance(found, Exception)]
    assert bad == ["001.png", "003.png", "005.png", "zero"]


def test_a_loop_of_folders_is_no_loop_for_us(tmp_path):
    folder = write_images(tmp_path / "a", count=1)
    (folder / "again").symlink_to(folder, target_is_directory=True)
    (folder / "itself").symlink_to("itself")
    assert len(load_set(tmp_path, name="x")) == 2
    assert len(find_images([tmp_path])[0]) == 2


def test_folders_and_files_that_may_not_be_read_are_named(tmp_path):
    root = tmp_path / "root"
    write_images(root / "train" / "a", count=2)
    write_images(root / "test" / "closed", count=2)
    (root / "test" / "closed" / "0_real").chmod(0)
    (root / "train" / "a" / "1_fake" / "001.png").chmod(0)
    # Root reads everything. Another user may not enter the checkout, nor the folders above `root`:
    # all code is loaded before, and `root` is entered.
    code = (
        "import os; from pathlib import Path\n"
        "from jaxdet.data.folder import load_set; from jaxdet.predict.files import find_images\n"
        "from jaxdet.errors import UserError\n"
        "def read(n): return load_set(Path('train'), name='x').read(n, max_pixels=10**6)\n"
        "read(0); find_images([Path('train')])\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "for look in (lambda: load_set(Path('test/closed'), name='x'),\n"
        "             lambda: find_images([Path('test')]),\n"
        "             lambda: read(3)):\n"
        "    try: look()\n"
        "    except (UserError, PermissionError) as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, timeout=120,
        env=importing(REPOSITORY),
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done.stdout + done.stderr
    assert lines[0].endswith("closed/0_real: cannot be read: Permission denied")
    assert lines[1].endswith("closed/0_real: cannot be read: Permission denied")
    assert "001.png" in lines[2]


def test_names_that_are_no_text_and_very_long_ways(tmp_path):
    folder = write_images(tmp_path / "a", count=1) / "0_real"
    for name in (b"\xff\xfe.png", b"line\nbreak.png", b"=cmd.png"):
        shutil.copy(folder / "000.png", os.fsencode(folder) + b"/" + name)
    images = load_set(tmp_path, name="x")
    assert len(images) == 5
    assert all(images.read(n, max_pixels=10**6).shape == (40, 40, 3) for n in range(5))
    assert len(images.fingerprint) == 16
    deep = tmp_path.joinpath(*["d" * 200] * 30)
    with pytest.raises(UserError, match="File name too long"):
        find_images([deep])


def test_commands_print_any_name_in_one_line_and_in_any_encoding(tmp_path):
    root = tmp_path / "root"
    folder = write_images(root / "train" / "a", count=2) / "0_real"
    for name in (b"\xff.png", b"line\nbreak.png"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(b"no image")
    for command in ("verify", "audit"):
        done = subprocess.run(
            [sys.executable, "-m", "jaxdet.data", command, str(root)], capture_output=True,
            cwd=REPOSITORY, timeout=120, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        assert b"Traceback" not in done.stderr
        said = done.stdout.decode()
        assert "a/0_real/line\N{REPLACEMENT CHARACTER}break.png: " in said
        assert "a/0_real/\N{REPLACEMENT CHARACTER}.png: " in said
