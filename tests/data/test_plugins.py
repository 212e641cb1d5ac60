import importlib.util
import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from jaxdet.data import plugins
from jaxdet.data.aside import look_aside
from jaxdet.data.formats import is_image_name
from jaxdet.data.jxl import jxl_size
from jaxdet.data.ops import decode
from jaxdet.data.ops.opening import size_by_header
from jaxdet.predict.__main__ import main
from jaxdet.predict.files import find_images
from tests.predict.samples import write_weights

# Beginnings of files that libjxl 0.11 wrote, by their sizes.
HEADERS = {
    (96, 64): "ff0a0f412408020100b4024b",
    (64, 64): "ff0a4f402408020100b4024b",
    (97, 133): "ff0a2004c0804808020100b4",
    (1920, 1080): "ff0aba210591080201009802",
    (3, 5000): "ff0a3a9c4000880408020100",
}
# One of 97 x 133 in boxes, its stream in two parts with EXIF between them.
BOXES = bytes.fromhex(
    "0000000c4a584c200d0a870a00000014667479706a786c20000000006a786c20000000136a786c7000000000ff0a20"
    "04c08048000000144578696649492a000000000000000000000000356a786c7080000001080201008c004b188b1500"
    "d48831ee6e8c7b001560ba0ee0e483c30403c8442137814e07d103554526"
)
HEIC = b"\x00\x00\x00\x1cftypheic\x00\x00\x00\x00mif1heicmiaf" + bytes(100)
ADVICE = {
    "a.HEIC": (HEIC, "HEIC is read with `pip install pillow-heif`"),
    "b.jxl": (BOXES, "JPEG XL is read with `pip install pillow-jxl-plugin`"),
}


def needs(module):
    there = importlib.util.find_spec(module) is not None
    return pytest.mark.skipif(not there, reason=f"{module} is not installed (extras heic and jxl)")


def draw(size):
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)


def written(pixels, kind, **options):
    plugins.plugin_formats()
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind, **options)
    return content.getvalue()


@pytest.fixture
def without_packages(monkeypatch):
    """An interpreter that cannot import either package, whether they are installed or not."""
    for name in ("pillow_heif", "pillow_jxl"):
        monkeypatch.setitem(sys.modules, name, None)
    plugins._missing.cache_clear()
    yield
    monkeypatch.undo()
    plugins._missing.cache_clear()


def test_the_package_that_is_missing_is_named(without_packages, tmp_path, capsys):
    for name, (content, _) in ADVICE.items():
        (tmp_path / name).write_bytes(content)
        assert not is_image_name(name)
    (tmp_path / "c.png").write_bytes(written(draw((40, 40)), "PNG"))
    found, left_aside = find_images([tmp_path])
    heic, jxl = (advice for _, advice in ADVICE.values())
    assert found == [tmp_path / "c.png"]
    assert left_aside.sentence() == (f"2 other files left aside: 1 .HEIC, 1 .jxl; {heic}; {jxl}")
    # Named on the command line, each has its row.
    weights, out = write_weights(tmp_path / "w.safetensors"), tmp_path / "rows.json"
    files = [str(tmp_path / name) for name in ADVICE]
    with pytest.raises(SystemExit) as ended:
        main([f"--weights={weights}", "--crop=32", f"--json={out}", *files])
    assert ended.value.code == 1
    assert [row["error"] for row in json.loads(out.read_text())] == [heic, jxl]


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("raise OSError('libheif.so.1:\\nno such file')", "libheif.so.1:"),
        ("import libheif_of_another_version", "No module named 'libheif_of_another_version'"),
        ("", "module 'pillow_heif' has no attribute 'register_heif_opener'"),
    ],
)
def test_a_package_that_cannot_be_loaded_is_named_with_its_fault(
    without_packages, monkeypatch, tmp_path, code, fault
):
    (tmp_path / "pillow_heif.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pillow_heif")
    advice = f"{ADVICE['a.HEIC'][1]} (the installed one cannot be loaded: {fault})"
    assert not is_image_name("a.heic")
    assert plugins.missing_packages([".heic"]) == [advice]
    with pytest.raises(ValueError, match="HEIC is read") as raised:
        decode(HEIC, max_pixels=10**6)
    assert str(raised.value) == advice


def test_a_file_is_never_taken_for_one_of_jaxdets_own_for_lack_of_a_package(
    without_packages, tmp_path
):
    for name in ("z.png", "fetched/y.heic", "fetched/x.txt", "fetched/w.png", "synth.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found, left_aside = find_images([tmp_path])
    assert [path.name for path in found] == ["z.png", "w.png"]
    heic = ADVICE["a.HEIC"][1]
    assert left_aside.sentence() == (f"3 other files left aside: 1 .heic, 1 .json, 1 .txt; {heic}")
    # Of a data root, the rest would be jaxdet's.
    assert look_aside(tmp_path, looked_into=()).sentence() == (
        "3 other files left aside: 2 of jaxdet itself, 1 .heic"
        f"; {heic}; 2 image files in folders that are not looked into: . (1), fetched (1)"
    )


@pytest.mark.parametrize("size", HEADERS)
def test_the_size_of_a_jpeg_xl_is_read_before_it_is_decoded(size):
    header = bytes.fromhex(HEADERS[size])
    assert jxl_size(header) == size
    assert size_by_header(io.BytesIO(header + bytes(50))) == size
    with pytest.raises(ValueError, match=f"{size[0]}x{size[1]} pixels are more than"):
        decode(header, max_pixels=1000)


def test_the_size_of_a_jpeg_xl_may_stand_in_parts(without_packages):
    assert jxl_size(BOXES) == (97, 133)
    assert jxl_size(BOXES[:32] + (8).to_bytes(4, "big") + b"free" + BOXES[32:]) == (97, 133)
    large = (0).to_bytes(4, "big") + b"jxlc" + bytes.fromhex(HEADERS[1920, 1080])
    assert jxl_size(BOXES[:32] + large) == (1920, 1080)
    for end in (12, 36, 50, len(BOXES) - 53):
        with pytest.raises(ValueError, match="JPEG XL"):
            decode(BOXES[:end], max_pixels=10**6)
    assert size_by_header(io.BytesIO(BOXES[:40])) is None


@needs("pillow_jxl")
def test_jpeg_xl_is_read():
    pixels = draw((133, 97))
    content = written(pixels, "JXL", lossless=True)
    assert is_image_name("a.JXL")
    assert np.array_equal(decode(content, max_pixels=10**6), pixels)
    assert decode(BOXES, max_pixels=10**6)[5, 5].tolist() == [200, 30, 90]
    with pytest.raises(ValueError, match="damaged image"):
        decode(content[:200], max_pixels=10**6)


@needs("pillow_heif")
def test_heic_is_read():
    pixels = np.kron(draw((8, 10)), np.ones((16, 16, 1), np.uint8))
    content = written(pixels, "HEIF", quality=95)
    assert all(map(is_image_name, ("a.heic", "b.HEIF", "c.hif")))
    found = decode(content, max_pixels=10**6)
    assert found.shape == pixels.shape
    assert np.abs(found.astype(int) - pixels).mean() < 5
    assert size_by_header(io.BytesIO(content)) == (160, 128)
    with pytest.raises(ValueError, match="160x128 pixels are more than"):
        decode(content, max_pixels=10**4)
    place = content.index(b"ispe") + 8
    lying = content[:place] + (16).to_bytes(4, "big") * 2 + content[place + 8 :]
    for damaged in (content[:-200], HEIC, lying):
        with pytest.raises(ValueError, match=r"damaged image|not an image"):
            decode(damaged, max_pixels=10**6)


@needs("pillow_heif")
@needs("pillow_jxl")
def test_neither_is_turned_twice_by_exif():
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("JXL", "HEIF"):
        content = written(draw((64, 96)), kind, exif=exif.tobytes())
        plain, turned = (decode(content, max_pixels=10**6, exif=e) for e in ("ignore", "apply"))
        assert np.array_equal(plain, turned)
