"""The page in a real browser: by mouse, by keyboard alone, on a phone, and that nothing leaves."""

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.report.browser import CHROMIUM, chromium
from tests.serve.servers import Server

pytest.importorskip("fastapi")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

_ANSWERS = "document.querySelectorAll('article').length"
_FOCUS = "document.activeElement.id || document.activeElement.className"
_STATUS = "document.getElementById('status').textContent"


@pytest.fixture(scope="module")
def server(weights):
    with Server(weights) as running:
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
