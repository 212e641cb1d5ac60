"""One file of every kind: all that read images name the same ones as unreadable."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from jaxdet.config import Augment, Data
from jaxdet.data import ops
from jaxdet.data.folder import read_size
from jaxdet.data.formats import FORMATS, is_image_name
from jaxdet.data.loaders import EvalLoader
from jaxdet.data.ops.codec import to_rgb
from jaxdet.data.ops.sides import LARGEST_RATIO
from jaxdet.data.readers import evaluation_reader, training_reader
from jaxdet.data.regular import reason
from jaxdet.data.sources import open_root
from jaxdet.datasets.audit.places import list_root
from jaxdet.datasets.audit.scan import scan
from jaxdet.datasets.pack.store_writer import pack
from jaxdet.datasets.verify.tree import Expect, verify_tree
from jaxdet.errors import UserError
from jaxdet.predict.files import LIMIT_OPTION, find_images, read_ahead
from tests.conftest import draw_image
from tests.data.test_grey import GREY, TWINS, tiff
from tests.fuzz.programs import no_program

RGB = Image.fromarray(draw_image(np.random.default_rng(3), (40, 52), fake=False))
PIXELS = np.asarray(RGB)


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunks(*chunks, behind=False):
    """A PNG of RGB with more chunks before its pixels, or behind them."""
    content = encoded(RGB, "png")
    place = len(content) - 12 if behind else 33
    return content[:place] + b"".join(chunks) + content[place:]


TEXT = b"workflow\0" + b"x" * 1_500_000
TEXTS = {
    "one of 1.5 MB": [chunk(b"tEXt", TEXT)],
    "seventy MB together": [chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**20)))] * 70,
    "compressed": [chunk(b"zTXt", b"prompt\0\0" + zlib.compress(b"y" * 3_000_000))],
    "international": [chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(TEXT))],
    "damaged": [chunk(b"zTXt", b"prompt\0\0nothing that inflates"), chunk(b"iTXt", b"")],
    "profile of 3 MB": [chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(3_000_000)))],
    "odd sizes": [chunk(b"pHYs", b"1"), chunk(b"gAMA", b""), chunk(b"tIME", b"xx")],
}


def preview_and_photograph():
    """A TIFF of two pages, of which the first alone is marked as a reduced copy."""
    mark = struct.pack("<HHII", 254, 4, 1, 1)
    content = encoded(RGB.resize((13, 10)), "tiff", save_all=True, append_images=[RGB],
                      tiffinfo={254: 1})  # fmt: skip
    first, photograph, rest = content.rpartition(mark)
    assert mark in first
    return first + photograph[:8] + bytes(4) + rest


def turned(kind, **options):
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(
        RGB, kind, exif=exif, **options, **({"lossless": True} if kind == "webp" else {})
    )


def jpeg_after(segment):
    """A JPEG with another segment, such as EXIF that is damaged."""
    content = encoded(RGB, "jpeg")
    return content[:2] + segment[:2] + struct.pack(">H", len(segment)) + segment[2:] + content[2:]


def readable():
    """Name to content of files that every command reads."""
    alpha = RGB.copy()
    alpha.putalpha(Image.fromarray(PIXELS[:, :, 0]))
    frames = {"save_all": True, "append_images": [RGB.rotate(180)]}
    made = [("png", RGB), ("bmp", RGB), ("dib", RGB), ("ppm", RGB), ("tga", RGB), ("sgi", RGB),
            ("pcx", RGB), ("dds", RGB), ("gif", RGB), ("png", alpha), ("png", RGB.quantize(16)),
            ("png", RGB.convert("1")), ("tiff", RGB.convert("CMYK")), ("tiff", RGB.convert("LAB")),
            ("jpeg", RGB.convert("CMYK")), ("jpeg", RGB.convert("L")),
            ("gif", RGB.quantize(16)), ("ppm", RGB.convert("1"))]  # fmt: skip
    files = {f"{n}.{kind}": encoded(image, kind) for n, (kind, image) in enumerate(made)}
    for n, chunks in enumerate(TEXTS.values()):
        files[f"text {n}.png"] = with_chunks(*chunks)
        files[f"text behind {n}.png"] = with_chunks(*chunks, behind=True)
    files |= {f"grey {n}.tif": content for n, content in enumerate(TWINS.values())}
    files |= {f"turned.{kind}": turned(kind) for kind in ("jpeg", "png", "webp", "tiff")}
    files |= {f"frames.{kind}": encoded(RGB, kind, **frames) for kind in ("webp", "gif", "mpo")}
    files |= {f"x.{end}": encoded(RGB, kind) for end, kind in
              (("jp2", "jpeg2000"), ("avif", "avif")) if features.check(FEATURES[end])}  # fmt: skip
    return files | {
        "frames.apng": encoded(RGB, "png", **frames),
        "preview first.tif": preview_and_photograph(),
        "misnamed.jpg": encoded(RGB, "png"),
        "bad exif.jpg": jpeg_after(b"\xff\xe1Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(40)),
        "bad mpf.jpg": jpeg_after(b"\xff\xe2MPF\0II*\0\x08\0\0\0" + b"\x07" * 60),
        "lzw.tif": encoded(RGB, "tiff", compression="tiff_lzw"),
        "one.png": encoded(RGB.crop((0, 0, 1, 1)), "png"),
        "line.png": encoded(Image.new("RGB", (1, LARGEST_RATIO)), "png"),
    }


FEATURES = {"jp2": "jpg_2000", "avif": "avif"}
KEPT = {"png": -300, "jpeg": 500, "tiff": 2000, "webp": 200, "gif": 900, "bmp": 900, "ppm": 90}


def unreadable():
    """Name to content of files that no command reads."""
    png, tif, grey = encoded(RGB, "png"), encoded(RGB, "tiff"), tiff(GREY)
    head = png[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 52, 40, 8, 2, 0, 0, 0))
    data, text, end = zlib.compress(bytes(40 * 157)), chunk(b"tEXt", b"a\0"), chunk(b"IEND", b"")
    # Its three samples a pixel lose their bits.
    odd = tif.replace(struct.pack("<HHI", 258, 3, 3), struct.pack("<HHI", 259, 3, 3))
    deflated = encoded(RGB, "tiff", compression="tiff_adobe_deflate")
    cut = {f"cut.{kind}": encoded(RGB, kind)[:kept] for kind, kept in KEPT.items()}
    return cut | {
        "empty.png": b"",
        "text.jpg": b"<html>not found</html>",
        "no pixels.png": head,
        "wrong sum.png": png[:60] + b"\0\0" + png[62:],
        "apart.png": head + chunk(b"IDAT", data[:9]) + text + chunk(b"IDAT", data[9:]) + end,
        "large.png": with_size(60_000, 60_000),
        "nothing.png": with_size(0, 9),
        "line.png": encoded(Image.new("RGB", (1, LARGEST_RATIO + 1)), "png"),
        "range.tif": tiff(GREY.astype(np.int32) * 300),
        "range.pfm": b"Pf 40 40 -1.0\n" + (GREY * np.float32(0.1)).tobytes(),
        "levels.ppm": b"P6 52 40 70000\n",
        "odd.tif": odd,
        "deflate.tif": deflated[:60] + bytes(40) + deflated[100:],
        "previews.tif": encoded(RGB, "tiff", tiffinfo={254: 1}),
        "camera.tif": grey[:8] + b"CR" + grey[10:],
        "eps.png": encoded(RGB, "eps"),
        "icon.png": encoded(RGB, "ico"),
        **{
            f"{n} in {name}.png": hold(inner)
            for n, inner in enumerate((EPS, png))
            for name, hold in {"iptc": in_iptc, "icon": in_icon}.items()
        },
        "pdf.jpg": b"%PDF-1.7\n",
    }


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"


def in_iptc(content):
    """A record of press agencies, whose pixels are a file that Pillow opens, by any program."""
    fields = {
        (3, 60): b"\1\0",
        (3, 20): b"\0\x09",
        (3, 30): b"\0\x09",
        (3, 120): b"\5",
        (8, 10): content,
    }
    return b"".join(
        b"\x1c" + bytes([*tag, 0x84]) + struct.pack(">I", len(value)) + value
        for tag, value in fields.items()
    )


def in_icon(content):
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 9, 9, 0, 0, 1, 32, len(content), 22) + content


def with_size(width, height):
    """A PNG that states another size."""
    png = encoded(RGB, "png")
    return png[:8] + chunk(b"IHDR", struct.pack(">II", width, height) + png[24:29]) + png[33:]


GOOD, BAD = readable(), unreadable()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """All of them as real images, and one more as a fake."""
    root = tmp_path_factory.mktemp("kinds") / "root"
    for label, files in {"0_real": {f"bad {name}": one for name, one in BAD.items()} | GOOD,
                         "1_fake": {"x.png": GOOD["0.png"]}}.items():  # fmt: skip
        (root / "train" / "a" / label).mkdir(parents=True)
        for name, content in files.items():
            (root / "train" / "a" / label / name).write_bytes(content)
    return root


@pytest.fixture
def programs():
    """Sees that none is started in a test."""
    with no_program():
        yield


EXPECTED = {f"bad {name}" for name in BAD}


def test_there_are_forty_kinds_of_each_verdict_together():
    assert len(GOOD) > 60
    assert len(BAD) > 20
    assert all(is_image_name(name) for name in GOOD | BAD)


def test_predict_audit_and_verify_name_the_same_files(root, programs):
    paths, _ = find_images([root / "train" / "a" / "0_real"])
    assert len(paths) == len(GOOD) + len(BAD)
    read = zip(paths, read_ahead(paths, max_pixels=Data.max_pixels), strict=True)
    assert {path.name for path, one in read if isinstance(one, Exception)} == EXPECTED
    faults = scan(list_root(root), max_pixels=Data.max_pixels, advance=lambda: None).broken
    assert {one.path.rpartition("/")[2] for one in faults} == EXPECTED
    findings = verify_tree(root, expect=Expect.NOTHING).findings
    assert {one.path.rpartition("/")[2] for one in findings} == EXPECTED


def named_by_loaders(images):
    """Names of what training and evaluation cannot read."""
    data = Data(on_bad_image="skip")
    batch = EvalLoader(read=evaluation_reader(data, images), crop=24, batch_size=len(images))(0)
    read = training_reader(data, Augment(), images)
    assert {n for n in range(len(images)) if read(n) is None} == set(batch["bad"].tolist()) - {-1}
    return {images.ids[n].rpartition("/")[2] for n in batch["bad"] if n >= 0}


def test_loaders_and_packing_name_them_too_and_a_store_has_the_same_pixels(
    root, tmp_path, programs
):
    said = []
    pack(root, tmp_path / "store", say=said.append)
    place = "train/a/0_real/"
    assert {line.split(": ")[0].removeprefix(place) for line in said[:-1]} == EXPECTED
    assert all(line.endswith("; packed as it is") for line in said[:-1])
    folder, store = (
        open_root(str(one)).load("train", name="x") for one in (root, tmp_path / "store")
    )
    assert named_by_loaders(folder) == EXPECTED == named_by_loaders(store)
    for index in range(len(folder)):
        assert folder.size(index) == store.size(index)
        if not folder.ids[index].rpartition("/")[2].startswith("bad "):
            pixels = folder.read(index, max_pixels=Data.max_pixels)
            assert np.array_equal(pixels, store.read(index, max_pixels=Data.max_pixels))
            assert pixels.shape[1::-1] == folder.size(index)


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_of_a_png_makes_its_pixels_unreadable(name):
    for behind in (False, True):
        content = with_chunks(*TEXTS[name], behind=behind)
        assert np.array_equal(ops.decode(content, max_pixels=10**4), PIXELS)
        assert np.array_equal(ops.decode_bgr(content, max_pixels=10**4)[:, :, ::-1], PIXELS)


def test_orientation_is_left_alone_in_every_format_or_applied_in_every_format():
    for kind in ("jpeg", "png", "webp", "tiff", *(["avif"] if features.check("avif") else [])):
        content = turned(kind)
        plain = encoded(RGB, kind, **({"lossless": True} if kind == "webp" else {}))
        stored = ops.decode(plain, max_pixels=10**4)
        assert np.array_equal(ops.decode(content, max_pixels=10**4), stored)
        upright = ops.decode(content, max_pixels=10**4, exif="apply")
        assert np.array_equal(upright, np.rot90(stored, -1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_applied_and_undone(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    png, tif = (encoded(RGB, kind, exif=exif) for kind in ("png", "tiff"))
    assert np.array_equal(ops.decode(tif, max_pixels=10**4), PIXELS)
    (tmp_path / "x.tif").write_bytes(tif)
    assert read_size(tmp_path / "x.tif") == RGB.size
    with Image.open(io.BytesIO(tif)) as image:
        expected = np.asarray(image.convert("RGB"))
    for content in (png, tif):
        assert np.array_equal(ops.decode(content, max_pixels=10**4, exif="apply"), expected)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize("on_disk", [False, True])
def test_an_open_tiff_has_the_same_pixels_each_time_and_stays_as_it_was(
    compression, on_disk, tmp_path
):
    content, path = turned("tiff", compression=compression), tmp_path / "x.tif"
    path.write_bytes(content)
    with Image.open(path if on_disk else io.BytesIO(content)) as image:
        for _ in range(2):
            assert np.array_equal(to_rgb(image), PIXELS)
        # Loaded by the caller, who sees it turned.
        seen = np.asarray(image)
        assert np.array_equal(seen, np.rot90(PIXELS, -1))
        for exif in ("ignore", "apply", "ignore"):
            assert np.array_equal(to_rgb(image, exif=exif), seen)
    with pytest.raises(ValueError, match="closed before it was loaded"):
        to_rgb(closed(path))


def closed(path):
    with Image.open(path) as image:
        return image


def test_of_a_tiff_of_many_pictures_the_one_that_is_chosen_is_opened_anew():
    pictures = [np.roll(PIXELS, n, 0) for n in range(3)]
    content = turned("tiff", save_all=True, append_images=[*map(Image.fromarray, pictures[1:])])
    with Image.open(io.BytesIO(content)) as image:
        for number in (1, 2, 0):
            image.seek(number)
            turned_back = to_rgb(image)
            assert np.array_equal(turned_back, to_rgb(image))
            assert np.array_equal(turned_back, pictures[number])


def test_a_preview_is_not_the_photograph():
    assert np.array_equal(ops.decode(preview_and_photograph(), max_pixels=10**4), PIXELS)
    with pytest.raises(ValueError, match="a TIFF of previews alone"):
        ops.decode(BAD["previews.tif"], max_pixels=10**4)


def test_a_phone_s_photograph_is_within_the_default_limit():
    for width, height in ((8160, 6144), (12000, 9000), (16320, 12240)):
        assert width * height <= Data.max_pixels
    content = encoded(Image.new("L", (8160, 6144), 90), "jpeg", quality=30)
    with ops.open_image(content, max_pixels=Data.max_pixels) as image:
        assert image.size == (8160, 6144)
    [error] = read_ahead([content], max_pixels=50_000_000)
    assert reason(error, option=LIMIT_OPTION) == (
        "8160x6144 pixels are more than --max-pixels=50000000"
    )


def test_endings_are_those_of_formats_that_need_nothing_else():
    for name in ("a.PNG", "a.jpeg", "a.tiff", "a.webp", "a.bmp", "a.pgm", "a.jp2"):
        assert is_image_name(name)
    others = "pdf h5 hdf mpg mpeg fits eps ps grib bufr wmf emf iim ico icns txt npy".split()  # noqa: SIM905
    assert not any(is_image_name(f"a.{ending}") for ending in others)
    assert not any(map(is_image_name, (".a.png", "png")))
    assert {"PNG", "JPEG", "TIFF", "WEBP"} <= set(FORMATS)


@pytest.mark.parametrize(
    "url", ["https://x.org/y.jpg", "s3://b/y.jpg", f"data:image/png;base64,{5000 * 'aGk'}"]
)
def test_a_url_on_the_command_line_is_called_one(url):
    with pytest.raises(UserError) as raised:
        find_images([Path(url)])
    assert str(raised.value) == f"{url[:200]}: a URL, and nothing is fetched: download it"
    with pytest.raises(UserError, match="x:y: no such file or folder"):
        find_images([Path("x:y")])


def test_no_library_prints_about_a_file(root):
    code = (
        "import sys; from pathlib import Path; from jaxdet.data import ops\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    for exif in ('ignore', 'apply'):\n"
        "        try: ops.decode(path.read_bytes(), max_pixels=10**9, exif=exif)\n"
        "        except ValueError as error: print(path.name, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(root / "train" / "a" / "0_real")],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 2 * len(BAD)
