"""The page in a real browser: by mouse, by keyboard alone, on a phone, and that nothing leaves."""

import hashlib
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.report.browser import CHROMIUM, chromium
from tests.serve.servers import Server
from tests.serve.test_service import many_scans

pytest.importorskip("fastapi")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

_ANSWERS = "document.querySelectorAll('article').length"
_FOCUS = "document.activeElement.id || document.activeElement.className"
_STATUS = "document.getElementById('status').textContent"


@pytest.fixture(scope="module")
def server(weights):
    with Server(weights, "--images=2", "--queue=2", "--request-bytes=400000") as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    pixels = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", "Steps: 20")
    Image.fromarray(pixels).save(folder / "a & <b>.png", pnginfo=texts)
    (folder / "broken.png").write_bytes(b"no image")
    return sorted(folder.iterdir())


@pytest.fixture
def opened(browser, server):
    """Function that opens the page at this size and in this scheme."""

    def open_page(**view):
        browser.view(**{"width": 1280, **view})
        browser.errors.clear()
        browser.requests.clear()
        browser.open(f"http://127.0.0.1:{server.port}/")
        browser.wait("document.getElementById('model').textContent.includes('weights')")
        return browser

    return open_page


def test_images_are_chosen_by_mouse_and_answered(opened, server, files):
    page = opened()
    page.choose(lambda: page.click("#files"), *files)
    page.wait(f"{_ANSWERS} === 2")
    page.wait(f"{_STATUS} === '1 scored, 1 not readable.'")
    told = page.run("document.getElementById('answers').innerText")
    for text in ("Cannot tell", "a & <b>.png", "Stable Diffusion web UI", "240 pixels",
                 "not calibrated", "Not scored:"):  # fmt: skip
        assert text in told
    page.click(".toggle")
    assert page.run("document.querySelector('.overlay').getBoundingClientRect().width") > 0
    assert page.errors == []
    own = (f"http://127.0.0.1:{server.port}/", "blob:", "data:image/png;base64,")
    assert [one for one in page.requests if not one.startswith(own)] == []


def test_the_keyboard_alone_reaches_all_of_it(opened, files):
    page = opened(width=360, scheme="dark")
    page.press("Tab")
    assert page.run(_FOCUS) == "files"
    page.choose(lambda: page.press("Enter"), files[0])
    page.wait(f"{_ANSWERS} === 1")
    page.wait(f"{_STATUS} === '1 scored.'")
    for expected in ("toggle", "print", "save", "clear"):
        page.press("Tab")
        if expected == "toggle":
            page.press(" ")
            pressed = "document.querySelector('.toggle').getAttribute('aria-pressed')"
            assert page.run(pressed) == "true"
        assert page.run(_FOCUS) == expected
    page.press("Enter")
    assert page.run(_ANSWERS) == 0
    assert page.errors == []


def test_a_phone_shows_all_of_it_without_scrolling_sideways(opened, files):
    page = opened(width=360, height=740)
    page.choose(lambda: page.click("#files"), *files)
    page.wait(f"{_ANSWERS} === 2")
    assert page.run("document.documentElement.scrollWidth") <= 360


def test_many_files_go_in_groups_and_wait_where_the_service_is_full(opened, server, tmp_path):
    for place in range(5):
        Image.effect_noise((64, 64 + place), 50).save(tmp_path / f"{place}.png")
    (tmp_path / "9.png").write_bytes(bytes(500_000))
    slow = {f"{place}.jpg": many_scans(1600, 180) for place in range(2)}
    busy = threading.Thread(target=server.score, args=(slow,))
    page = opened()
    busy.start()
    while "jaxdet_waiting_images 2.0" not in server.text("/metrics"):
        pass
    page.choose(lambda: page.click("#files"), *sorted(tmp_path.iterdir()))
    page.wait(f"{_STATUS} === '5 scored, 1 not readable.'")
    busy.join()
    titles = "[...document.querySelectorAll('article h2')].map((one) => one.textContent)"
    assert page.run(titles) == [f"{place}.png" for place in (9, 4, 3, 2, 1, 0)]
    assert "400000 bytes at most" in page.run("document.querySelector('article').innerText")
    refused = {"Failed to load resource: the server responded with a status of 503"}
    assert {one.partition(" (")[0] for one in page.errors} <= refused


_FILE = """(async () => {
  const canvas = document.createElement("canvas");
  canvas.getContext("2d").fillRect(0, 0, 50, 50);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve));
  window.content = [...new Uint8Array(await blob.arrayBuffer())];
  const given = new DataTransfer();
  given.items.add(new File([blob], "given.png", { type: "image/png" }));
  document.dispatchEvent(new %s);
})()"""


@pytest.mark.parametrize(
    "event",
    [
        'DragEvent("drop", { dataTransfer: given, cancelable: true })',
        'ClipboardEvent("paste", { clipboardData: given })',
    ],
)
def test_what_is_dropped_or_pasted_is_answered_and_saved_with_hash_and_time(opened, event):
    page = opened()
    page.run(_FILE % event)
    page.wait(f"{_STATUS} === '1 scored.'")
    page.run("""(() => {
      const make = URL.createObjectURL;
      URL.createObjectURL = (blob) => { window.saved = blob; return make.call(URL, blob); };
    })()""")
    page.click("#save")
    saved = json.loads(page.run("window.saved.text()"))
    (one,) = saved["results"]
    content = bytes(page.run("window.content"))
    assert one["sha256"] == hashlib.sha256(content).hexdigest()
    assert one["answered"] <= saved["saved"]
    assert one["digest"] == saved["model"]["digest"]
    assert page.errors == []


def test_paper_and_the_dark_show_what_a_verdict_rests_on(opened, files):
    page = opened()
    page.choose(lambda: page.click("#files"), files[0])
    page.wait(f"{_STATUS} === '1 scored.'")
    for view in ({"media": "print"}, {"scheme": "dark"}):
        page.view(width=800, **view)
        told = page.run("document.body.innerText")
        for text in ("Trained on:", "Tested:", "SHA-256 of the file", "Cannot tell"):
            assert text in told
        shown = page.run("getComputedStyle(document.querySelector('form')).display !== 'none'")
        assert shown == ("media" not in view)
    colour = page.run("getComputedStyle(document.body).backgroundColor")
    assert colour == "rgb(22, 24, 27)"


@pytest.mark.skipif("AXE" not in os.environ, reason="AXE=FILE: axe.min.js of npm's axe-core")
@pytest.mark.parametrize("view", [{}, {"width": 360}, {"scheme": "dark"}])
def test_axe_finds_nothing(opened, files, view):
    page = opened(**view)
    page.choose(lambda: page.click("#files"), *files)
    page.wait(f"{_ANSWERS} === 2")
    page.run(Path(os.environ["AXE"]).read_text() + ";0")
    page.run("document.getElementById('about').open = true")
    found = page.run("axe.run().then((told) => told.violations.map((one) => [one.impact, one.id]))")
    assert found == []
