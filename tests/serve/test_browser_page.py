"""The page that scores in the browser: its logits in Chromium beside those of predict."""

import contextlib
import functools
import http.server
import itertools
import json
import os
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnxruntime", reason="needs the extra `onnx`: pip install -e '.[onnx]'")

from jaxdet.config import Model
from jaxdet.config.augment import KERNELS
from jaxdet.convert.__main__ import main
from jaxdet.convert.card import Card, network_options
from jaxdet.convert.onnx.write import make_onnx
from jaxdet.data.ops import laplacian_variance, resize_shorter
from jaxdet.predict.onnx_engine import load_onnx
from jaxdet.predict.rows import Scoring, score_files
from jaxdet.results import Calibration
from jaxdet.scoring.protocol import Protocol
from jaxdet.serve.browser_page import RUNTIME
from tests.convert.random_detectors import loaded_of
from tests.report.browser import CHROMIUM, chromium

PACKAGE = Path(
    os.environ.get("ONNXRUNTIME_WEB", Path(__file__).parents[2] / "node_modules/onnxruntime-web")
)
in_browser = pytest.mark.skipif(
    CHROMIUM is None or not PACKAGE.is_dir(),
    reason="needs chromium, and `npm install onnxruntime-web` (or its folder in ONNXRUNTIME_WEB)",
)
PARTS = {
    "crop": Protocol("crop", 40),
    "resized": Protocol("crop", 40, resize=48),
    "five": Protocol("five_crops", 40),
    "ten": Protocol("ten_crops", 40),
    "bicubic": Protocol("crop", 40, resize=48, kernel="bicubic"),
    "full": Protocol("full", 40),
}
WORDS = {"fake": "Likely generated", "real": "Likely real", "unsure": "Cannot tell"}


@pytest.fixture(scope="module")
def make_file(tmp_path_factory):
    """Function that gives an ONNX file of a part; random weights: arithmetic, and no detector."""
    folder = tmp_path_factory.mktemp("detectors")
    loaded, _ = loaded_of(Model(name="resnet18", width=4))
    calibration = Calibration(
        source="val", n_real=9, n_fake=9, temperature=2.0, ranges={"side": (40, 300)},
        thresholds={"fpr_1": 3.0, "fpr_5": 1.0, "fnr_1": -3.0, "fnr_5": -1.0},
    )  # fmt: skip

    @functools.cache
    def make(name):
        card = Card(model=network_options(loaded.model), sha256="0" * 64, protocol=PARTS[name],
                    calibration=calibration)  # fmt: skip
        path = folder / f"{name}.onnx"
        path.write_bytes(make_onnx(loaded, size=40, card=card).SerializeToString())
        return path

    return make


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("files"), np.random.default_rng(0)

    def picture(width, height):
        coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
        smooth = Image.fromarray(coarse).resize((width, height))
        noise = rng.integers(0, 32, (height, width, 3), np.uint8)
        return Image.fromarray(np.asarray(smooth) // 2 + noise)

    for width, height in [(20, 31), (41, 40), (48, 77), (301, 200), (200, 299), (1100, 1000)]:
        picture(width, height).save(folder / f"{width}.png")
    picture(90, 70).convert("L").save(folder / "grey.png")
    picture(90, 71).convert("P").save(folder / "palette.png")
    picture(2100, 1001).save(folder / "tiles.png")
    picture(160, 123).save(folder / "plain.jpg", quality=90)
    turned = Image.Exif()
    turned[0x0112] = 6
    picture(123, 160).save(folder / "turned.jpg", exif=turned, subsampling=0)
    return sorted(folder.iterdir())


@contextlib.contextmanager
def served(folder):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def opened(browser, make_file, tmp_path):
    """Function that writes the page of a detector and opens it."""
    with contextlib.ExitStack() as stack:

        def open_page(name, **view):
            folder = tmp_path / name
            main(["page", f"--onnxruntime-web={PACKAGE}", str(make_file(name)), str(folder)])
            address = stack.enter_context(served(folder))
            browser.view(**{"width": 1280, **view})
            browser.errors.clear()
            browser.requests.clear()
            browser.open(address)
            browser.wait("document.getElementById('model').textContent.includes('weights')")
            return browser, address

        yield open_page


@pytest.mark.slow
@in_browser
@pytest.mark.parametrize("name", PARTS)
def test_logits_are_those_of_predict(name, opened, make_file, files):
    detector = load_onnx(make_file(name))
    expected = score_files(detector, files, Scoring.of(detector))
    page, address = opened(name)
    page.choose(lambda: page.click("#files"), *files)
    page.wait(f"document.querySelectorAll('article').length === {len(files)}")
    texts = page.run("[...document.querySelectorAll('article')].map((one) => one.innerText)")
    for row, text in zip(expected, reversed(texts), strict=True):
        logit = float(re.search(r"logit (\S+)\.$", text, re.MULTILINE)[1])
        print(f"{name}, {Path(row['path']).name}: {logit - row['logit']:.1e} of {row['logit']:.4f}")
        assert logit == pytest.approx(row["logit"], abs=1e-3), row["path"]
        assert WORDS[row["verdict"]] in text
        assert f"{100 * row['probability']:.1f} %, calibrated" in text
        assert [line for line in row["warnings"] if line not in text] == []
    assert np.ptp([row["logit"] for row in expected]) > 0.1
    assert page.errors == []
    assert [one for one in page.requests if not one.startswith((address, "blob:"))] == []


@pytest.mark.slow
@in_browser
def test_pixels_are_those_of_pillow(opened):
    rng = np.random.default_rng(0)
    page, _ = opened("crop")
    sides = [(7, 9, 48), (61, 40, 40), (50, 333, 17), (40, 40, 39), (97, 64, 1)]
    for (height, width, size), kernel in itertools.product(sides, KERNELS):
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        image = json.dumps({"height": height, "width": width, "data": pixels.ravel().tolist()})
        found = page.run(
            "import('./pixels.js').then((one) => "
            f"one.resizeShorter({image}, {size}, '{kernel}')).then((made) => [...made.data])"
        )
        assert found == resize_shorter(pixels, size=size, kernel=kernel).ravel().tolist()
        found = page.run(f"import('./pixels.js').then((one) => one.sharpness({image}))")
        assert found == pytest.approx(laplacian_variance(pixels), rel=1e-3)


@pytest.mark.slow
@in_browser
def test_what_is_transparent_or_no_image_is_told(opened, tmp_path):
    pixels = np.full((50, 50, 4), 128, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    Image.new("L", (1025, 1)).save(tmp_path / "c.png")
    page, _ = opened("crop", width=360)
    page.choose(lambda: page.click("#files"), *(tmp_path / f"{name}.png" for name in "abc"))
    page.wait("document.getElementById('status').textContent === '1 scored, 2 not readable.'")
    text = page.run("document.getElementById('answers').innerText")
    assert "transparent in places" in text
    assert "Not scored: no image of a format that this browser reads" in text
    assert "1 pixels: a side is more than 1024 times the other" in text
    assert page.run("document.documentElement.scrollWidth") <= 360
    address = page.run("document.querySelector('article img').src")
    # Chromium keeps decoded images, so that an address that is let go would still be shown.
    page.run("window.let_go = []; URL.revokeObjectURL = (one) => { window.let_go.push(one); }; 0")
    page.click("#clear")
    assert page.run("window.let_go") == [address]
    # As WebAssembly does where memory runs out: what is thrown is a number.
    page.run(
        "import('./ort.wasm.bundle.min.mjs').then((ort) => {"
        " ort.InferenceSession.prototype.run = () => Promise.reject(1234); })"
    )
    page.choose(lambda: page.click("#files"), tmp_path / "a.png", tmp_path / "b.png")
    page.wait("document.getElementById('status').textContent === '0 scored, 2 not readable.'")
    text = page.run("document.getElementById('answers').innerText")
    assert "Not scored: onnxruntime failed (1234)" in text


def test_a_page_is_made_of_an_onnx_file_alone(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["page", str(tmp_path), str(tmp_path / "page")])
    assert stopped.value.code == 2
    assert f"{tmp_path}: no ONNX file; convert export --format=onnx makes one" in (
        capsys.readouterr().err
    )


def test_a_page_needs_onnxruntime_web(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["page", f"--onnxruntime-web={tmp_path}", "d.onnx", str(tmp_path / "page")])
    assert stopped.value.code == 2
    assert "npm install onnxruntime-web" in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


def test_the_folder_holds_whatever_the_page_asks_for(make_file, tmp_path, capsys):
    for name in RUNTIME:
        (tmp_path / "dist" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "dist" / name).write_bytes(b"")
    folder = tmp_path / "a page"
    main(["page", f"--onnxruntime-web={tmp_path}", str(make_file("resized")), str(folder)])
    assert f"--bind 127.0.0.1 -d '{folder}'`" in capsys.readouterr().out
    asked = {"ort-wasm-simd-threaded.wasm"}  # by the module beside it
    for file in folder.glob("*.*s"):
        asked |= set(re.findall(r'(?:from |fetch\(|create\()"(?:\./)?([^"]+)"', file.read_text()))
    asked |= set(re.findall(r'(?:src|href)="([^"]+)"', (folder / "index.html").read_text()))
    assert {file.name for file in folder.iterdir()} == {"index.html", *asked}
    facts = json.loads((folder / "detector.json").read_text())
    assert facts["band"] == [-1, 1]
    assert (facts["scored"]["parts"], facts["scored"]["crop"], facts["scored"]["resize"]) == (
        "crop", 40, 48,
    )  # fmt: skip
