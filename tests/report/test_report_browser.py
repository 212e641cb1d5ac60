"""The page in a real browser: filter, sorting, keys, sizes, and that nothing is fetched."""

import pytest

from jaxdet.report.contents import read_contents
from jaxdet.report.page import page_html
from tests.report.browser import CHROMIUM, chromium
from tests.report.runs import predictions, write_analyses, write_run

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

_CARDS = "document.querySelectorAll('.card:not([hidden])').length"
_COUNT = "document.querySelector('#filter output').textContent"


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Two runs with everything, one set of them with categories."""
    folder = tmp_path_factory.mktemp("browser")
    paths = []
    for number, name in enumerate(("first", "second")):
        sets = {
            "progan": predictions(
                "progan", strength=1 + number, categories=("car", "cat", "zebra")
            ),
            "stylegan": predictions("stylegan", strength=0.4),
            "crn": predictions("crn", strength=2.5),
        }
        published = {"crn": 0.6, "progan": 0.8}
        paths.append(write_run(folder / name, sets, name=name, published=published, draws=5))
        write_analyses(paths[-1], sets, kinds=("protocol", "blur", "jpeg"))
    pages = {"single": paths[:1], "both": paths}
    for name, chosen in pages.items():
        (folder / f"{name}.html").write_text(page_html(read_contents(chosen)))
    return {name: folder / f"{name}.html" for name in pages}


@pytest.fixture
def opened(browser, page):
    """Function that opens one of the pages at this size and in this scheme."""

    def open_page(name="both", **view):
        browser.view(**{"width": 1280, **view})
        browser.errors.clear()
        browser.requests.clear()
        browser.open(page[name])
        return browser

    return open_page


def _sorted_rows(browser, click):
    """Clicks the title of this text in the main table; the rows' names, and the title's state."""
    return browser.run(
        f"""(() => {{
        const table = document.querySelector("table.scores");
        const title = [...table.tHead.querySelectorAll("th")].find(
            (th) => th.textContent === {click!r} && th.scope === "col");
        title.querySelector("button").click();
        return [[...table.tBodies[0].rows].map((row) => row.cells[0].firstChild.data.trim()),
                title.getAttribute("aria-sort"), table.tFoot.rows.length];
        }})()"""
    )


def test_tables_are_sorted_by_number_and_categories_stay(opened):
    browser = opened("single")
    before = browser.run(
        "[...document.querySelector('table.scores').tBodies[0].rows].map((r) => [r.className, "
        "r.cells[0].firstChild.data.trim(), parseFloat(r.cells[1].textContent)])"
    )
    sets = [row for row in before if row[0] == "set"]
    categories = [row for row in before if row[0] == "category"]
    assert [row[1] for row in before[:4]] == ["progan", "car", "cat", "zebra"]

    def expected(falling):
        names = []
        for _, name, _ in sorted(sets, key=lambda row: -row[2] if falling else row[2]):
            names.append(name)
            if name == "progan":
                ordered = sorted(categories, key=lambda row: -row[2] if falling else row[2])
                names += [row[1] for row in ordered]
        return names

    assert _sorted_rows(browser, "AP") == [expected(True), "descending", 1]
    assert _sorted_rows(browser, "AP") == [expected(False), "ascending", 1]
    assert _sorted_rows(browser, "AP") == [[row[1] for row in before], None, 1]
    names, state, _ = _sorted_rows(browser, "Set")
    assert (names[:2], names[-1], state) == (["crn", "progan"], "stylegan", "ascending")


def test_what_is_not_there_comes_last_in_both_directions(opened):
    browser = opened("single")
    for direction in ("descending", "ascending"):
        names, state, _ = _sorted_rows(browser, "diff.")
        assert (names[-1], state) == ("stylegan", direction)


def test_a_key_sorts_too(opened):
    browser = opened("single")
    browser.run("document.querySelector('table.scores thead button').focus()")
    browser.press("Enter")
    state = browser.run("document.querySelector('table.scores th').getAttribute('aria-sort')")
    assert state == "ascending"
    assert browser.run("document.querySelectorAll('[aria-sort]').length") == 1


def test_the_filter_shows_what_is_asked_for(opened):
    browser = opened()
    assert browser.run(_CARDS) == 2 * 3 * 12
    assert browser.run(_COUNT) == "72 of 72 pictures"

    def choose(**fields):
        steps = "".join(f"form.elements[{k!r}].value = {v!r};" for k, v in fields.items())
        browser.run(
            f"(() => {{ const form = document.querySelector('#filter'); {steps}"
            "form.dispatchEvent(new Event('input')); })()"
        )

    choose(set="crn")
    assert browser.run(_COUNT) == "24 of 72 pictures"
    assert browser.run("document.querySelectorAll('.album:not([hidden])').length") == 1
    choose(label="fake", run="1")
    assert browser.run(_COUNT) == "6 of 72 pictures"
    choose(role="mistakes")
    assert browser.run(_CARDS) == 2
    shown = browser.run(
        "[...document.querySelectorAll('.card:not([hidden])')].map((c) => "
        "[c.dataset.set, c.dataset.label, c.dataset.run, c.checkVisibility()])"
    )
    assert shown == [["crn", "fake", "1", True]] * 2
    choose(role="percentile 0")  # which is also the most mistaken fake
    assert browser.run(_CARDS) == 1
    browser.run("document.querySelector('#filter button[type=reset]').click()")
    browser.run("new Promise((done) => setTimeout(done))")
    assert browser.run(_COUNT) == "72 of 72 pictures"


def test_typing_finds_files(opened):
    browser = opened()
    name = browser.run("document.querySelector('.card').dataset.name")
    browser.run("document.querySelector('#filter input[type=search]').focus()")
    browser.type(name.upper())
    names = browser.run(
        "[...document.querySelectorAll('.card:not([hidden])')].map((c) => c.dataset.name)"
    )
    assert names
    assert all(name in one for one in names)
    browser.type("no such file")
    assert browser.run(_COUNT) == "0 of 72 pictures"


def test_arrows_go_from_picture_to_picture_and_show_the_evidence(opened):
    browser = opened()
    stops = "document.querySelectorAll('.album[open] .card[tabindex=\"0\"]').length"
    assert browser.run(stops) == 1
    browser.run("document.querySelector('.card').focus()")
    browser.press("ArrowRight")
    place = "[...document.querySelectorAll('.card')].indexOf(document.activeElement)"
    assert browser.run(place) == 1
    assert browser.run(stops) == 1
    opacity = (
        "getComputedStyle(document.querySelectorAll('.card')[{}].querySelector('.seen')).opacity"
    )
    browser.run("new Promise((done) => setTimeout(done, 300))")
    assert browser.run(opacity.format(1)) == "1"
    assert browser.run(opacity.format(5)) == "0"
    browser.press("ArrowLeft")
    assert browser.run(place) == 0
    browser.run("document.querySelector('#evidence').click()")
    browser.run("new Promise((done) => setTimeout(done, 300))")
    assert browser.run(opacity.format(5)) == "1"


def test_nothing_but_the_page_itself_is_asked_for(opened, page):
    browser = opened()
    fetched = {url for url in browser.requests if not url.startswith("data:")}
    assert fetched == {page["both"].as_uri()}
    assert browser.errors == []
    blocked = browser.run(
        "new Promise((done) => { document.addEventListener('securitypolicyviolation', "
        "(e) => done(e.violatedDirective)); new Image().src = 'https://example.org/a.png'; })"
    )
    assert blocked == "img-src"
    ran = browser.run(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.evil = 1';"
        "document.head.append(s); return window.evil === undefined; })()"
    )
    assert ran


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["single", "both"])
def test_the_page_fits_every_screen(opened, name, width, scheme):
    browser = opened(name, width=width, scheme=scheme)
    assert browser.run("document.documentElement.scrollWidth") <= width
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]
    assert browser.run(
        "[...document.images].every((image) => image.complete && image.naturalWidth > 0)"
    )
    wide, narrow = (
        browser.run(f"document.querySelector('figure.{kind}').checkVisibility()")
        for kind in ("broad", "narrow")
    )
    assert (wide, narrow) == (width > 600, width < 600)


def test_without_script_everything_is_there(opened):
    browser = opened(script=False)
    assert browser.run("document.querySelector('#filter').hidden")
    assert browser.run(_CARDS) == 72
    assert browser.run("document.querySelectorAll('thead button').length") == 0
    browser.view(width=1280)


def test_print_shows_image_and_evidence_side_by_side(opened):
    browser = opened(media="print", scheme="dark")
    left, right = browser.run(
        "[...document.querySelector('.card').querySelectorAll('svg')].map((svg) => "
        "[svg.getBoundingClientRect().left, getComputedStyle(svg).opacity])"
    )
    assert left[0] < right[0]
    assert right[1] == "1"
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not browser.run("document.querySelector('#filter').checkVisibility()")


def test_the_main_table_fits_on_paper(opened):
    browser = opened("single", media="print", width=718)  # A4 less margins of 1 cm
    assert (
        browser.run("document.querySelector('table.scores').getBoundingClientRect().right") <= 718
    )


def test_bold_numbers_of_a_comparison_are_those_whose_interval_leaves_out_zero(opened):
    weights = opened().run(
        """[...document.querySelectorAll("table.compare")].slice(0, 2).map((table) =>
        [...table.querySelectorAll("td.n:not(:empty)")].map((cell) => [
            +getComputedStyle(cell).fontWeight >= 600, cell.textContent]))"""
    )
    results, differences = weights
    assert not any(is_bold for is_bold, _ in results)  # the means included
    assert [is_bold for is_bold, _ in differences] == [
        not text.startswith("+0.0") for _, text in differences
    ]
    assert [text.startswith("+0.0") for _, text in differences].count(True) == 2  # of 4
