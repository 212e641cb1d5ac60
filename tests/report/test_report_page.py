import html.parser
import json
import re

import pytest

from jaxdet import config
from jaxdet.errors import UserError
from jaxdet.metrics import FAMILIES
from jaxdet.report import write_report
from jaxdet.report.contents import read_contents
from jaxdet.report.labels import shown
from jaxdet.report.page import page_html
from jaxdet.workdir import files

DASH = "\N{EN DASH}"
_VOID = {"meta", "br", "hr", "img", "link", "input"}


class _Page(html.parser.HTMLParser):
    """Text, tags and attributes of a page, every tag closed in order."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []
        self.html = path.read_text()
        self.feed(self.html)
        assert self.open == []
        self.words = " ".join(" ".join(self.text).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *attribute) for attribute in attrs]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *attribute) for attribute in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text.append(data)


@pytest.fixture
def write(make_run, tmp_path):
    def write(*sets, trained=False, whole=False, **more):
        """The page of runs of these sets; with the files beside it where they matter."""
        runs = [make_run(f"run{i}", one, trained=trained, **more) for i, one in enumerate(sets)]
        if whole:
            return _Page(write_report(runs, tmp_path / "out"))
        page = tmp_path / "index.html"
        page.write_bytes(page_html(read_contents(runs)).encode("utf-8", "replace"))
        return _Page(page)

    return write


def test_a_full_page(write, make_predictions, generators, tmp_path):
    sets = {name: make_predictions(name, categories=("car", "cat")) for name in generators}
    page = write(sets, trained=True, whole=True)
    stored = json.loads((tmp_path / "run0" / "results.json").read_text())
    for name, one in stored["sets"].items():
        low, high = one["ap_ci95"]
        shown = f"{name} {FAMILIES[name]} {100 * one['ap']:.1f}"
        assert f"{shown} {100 * low:.1f}{DASH}{100 * high:.1f}" in page.words
    assert f"Mean AP {100 * stored['mean_ap']:.1f} %" in page.words
    assert "Mean over 13 sets" in page.words
    assert "augment.blur_probability 0.5 0.0 chance of a Gaussian blur" in page.words
    assert "python -m jaxdet.main --config=configs/a.py '--workdir=runs/my run'" in page.words
    assert "versions.jax 0.12.0" in page.words
    assert "weights: step 1600" in page.words
    # Bars twice, for wide and narrow; three panels of training; a curve a set.
    assert page.tags.count("svg") == 5 + 13
    out = tmp_path / "out"
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.*")) == [
        ".files.json", "comparison.csv", "comparison.md", "comparison.tex",
        "figures/ap.pdf", "figures/ap.png",
        "figures/precision_recall.pdf", "figures/precision_recall.png",
        "figures/training.pdf", "figures/training.png",
        "index.html", "table.csv", "table.md", "table.tex",
    ]  # fmt: skip


def test_the_foot_says_what_the_numbers_do_not_tell(write, make_predictions):
    foot = write({"progan": make_predictions("progan")}).words.split("do not tell.")[1]
    for limit in ("face-aware liquify", "An adversary chooses", "Generators to come", "near 100 %"):
        assert limit in foot


def test_nothing_is_fetched_or_run(write, make_predictions):
    page = write({"a": make_predictions("a")})
    assert not {"img", "link", "iframe", "object"} & set(page.tags)
    targets = {value for _, name, value in page.attributes if name.endswith(("href", "src"))}
    assert {t for t in targets if not t.startswith("#")} == {
        *(f"{name}.{kind}" for name in ("table", "comparison") for kind in ("csv", "md", "tex")),
        "figures/",
    }
    contents = [value for tag, name, value in page.attributes if (tag, name) == ("meta", "content")]
    (policy,) = [content for content in contents if content.startswith("default-src")]
    assert re.fullmatch(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        r"script-src 'sha256-[\w+/]{43}='",
        policy,
    )


def test_names_are_text_wherever_they_come_from(write, make_predictions, make_run, tmp_path):
    evil = "<script>alert(1)</script>"
    rows = make_predictions("a", categories=(f'"{evil}"'.replace("/", "|"),), skipped=("x",))
    write({f"{evil}&'": rows}, name=evil)
    run = tmp_path / "run0"
    (run / "config.json").write_text(json.dumps({f"c{evil}": f"d{evil}"}))
    (run / "env.json").write_text(json.dumps({"command": f"e{evil}", f"f{evil}": [f"g{evil}"]}))
    saved = json.loads((run / "results.json").read_text())
    saved.update(status=f"h{evil}", config_hash=f"i{evil}", weights={f"j{evil}": f"k{evil}"})
    (run / "results.json").write_text(json.dumps(saved))
    for runs in ([run], [run, make_run("other", name="</title><b>")]):
        page = _Page(write_report(runs, tmp_path / "again"))
        assert page.tags.count("script") == 1  # our own
        said = [*"cdefgjk", *("hi" if len(runs) == 1 else "h")]
        assert [letter for letter in said if f"{letter}{evil}" not in page.words] == []


def test_names_that_are_no_text_can_be_written(write, make_predictions):
    page = write({"a\udcff\x00b\x1b": make_predictions("a")}, name="run\udc80\n")
    assert "a\ufffd\ufffdb\ufffd" in page.words


def test_equal_runs_give_equal_bytes(write, make_predictions, tmp_path):
    sets = {"a": make_predictions("a"), "b": make_predictions("b")}
    write(sets, trained=True, whole=True)
    first = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*.*")}
    write(sets, trained=True, whole=True)
    assert {p: p.read_bytes() for p in (tmp_path / "out").rglob("*.*")} == first


def test_skipped_images_are_told(write, make_predictions):
    told = write({"a": make_predictions("a", skipped=("x", "y")), "b": make_predictions("b")})
    assert "Skipped: images that could not be read are left out of every number: a 2." in told.words
    assert "Skipped:" not in write({"a": make_predictions("a")}).words


def test_a_set_of_one_class_is_told(write, make_predictions):
    page = write({"reals": make_predictions("a", fake=False), "b": make_predictions("b")})
    assert re.search(rf"reals {DASH} {DASH} [\d.]+ [\d.]+ ({DASH} ){{3}}60 0 0", page.words)
    assert re.search(r"One class only: .* accuracy on them: reals\.", page.words)
    assert "One class only" not in write({"b": make_predictions("b")}).words


def test_one_class_that_an_earlier_jaxdet_gave_an_ap_is_not_said_to_have_none(
    make_run, make_predictions, tmp_path
):
    path = make_run("a", {"reals": make_predictions("a", fake=False), "b": make_predictions("b")})
    saved = json.loads((path / "results.json").read_text())
    saved["sets"]["reals"]["ap"] = 0.0
    (path / "results.json").write_text(json.dumps(saved))
    assert "One class only" not in _Page(write_report([path], tmp_path / "out")).words


def test_the_floor_is_marked(write, make_predictions):
    assert (
        "†"
        in re.findall(r"weak .*? Mean", write({"weak": make_predictions("c", strength=0.0)}).words)[
            0
        ]
    )
    assert (
        "†"
        not in re.findall(
            r"good .*? Mean", write({"good": make_predictions("c", strength=3)}).words
        )[0]
    )


def test_a_run_that_only_evaluated(write, make_predictions):
    page = write({"a": make_predictions("a")})
    assert "No training curves: this run has no line of training" in page.words
    assert page.tags.count("svg") == 2 + 1


def test_a_run_without_config_and_environment(write, make_predictions, tmp_path):
    write({"a": make_predictions("a")})
    for name in ("config.json", "env.json"):
        (tmp_path / "run0" / name).unlink()
    page = _Page(write_report([tmp_path / "run0"], tmp_path / "out"))
    assert "No config was saved with this run." in page.words
    assert "The command was not saved." in page.words


def test_a_run_of_defaults_alone(write, make_predictions, tmp_path):
    write({"a": make_predictions("a")})
    files.write_json(tmp_path / "run0" / "config.json", config.to_json_dict(config.Config()))
    page = _Page(write_report([tmp_path / "run0"], tmp_path / "out"))
    assert "Every option has its default." in page.words


def test_several_runs_side_by_side(write, make_predictions, tmp_path):
    a, b = make_predictions("a"), make_predictions("b")
    page = write({"a": a, "b": b}, {"a": a}, trained=True)
    assert "2 runs side by side" in page.words
    ap = {
        name: f"{100 * one['ap']:.1f}"
        for name, one in json.loads((tmp_path / "run0" / "results.json").read_text())[
            "sets"
        ].items()
    }
    ends = rf"[\d.]+{DASH}[\d.]+"
    a_row = rf" a {ap['a']} {ends} {ap['a']} {ends} [\d.]+ b "
    b_row = rf" b {ap['b']} {ends} {DASH} [\d.]+ Mean over the sets of all runs {ap['a']} {ap['a']}"
    assert re.search(a_row, page.words)
    assert re.search(b_row, page.words)
    assert page.words.count("All numbers of run") == 2
    assert page.tags.count("svg") == 5 + 2 + 2  # and the dashes of two runs


def test_more_runs_than_colours(write, make_predictions):
    page = write(*[{"a": make_predictions("a", per_label=5)}] * 9)
    spans = [(name, value) for tag, name, value in page.attributes if tag == "span"]
    styles = {value for name, value in spans if name == "style"}
    assert styles == {f"background-color: var(--series-{i})" for i in range(8)}
    # The ninth has the first one's colour, and stripes; so has its bar, in colours of the page.
    assert ("class", "swatch h1") in spans
    patterns = re.findall(r"<pattern.*?</pattern>", page.html, re.DOTALL)
    assert patterns
    assert all("var(--series-0)" in one and "#0102" not in one for one in patterns)
    # So many runs are rows, and the sets columns.
    assert re.search(r" Run a Mean .* run8 [\d.]+ ", page.words), page.words[:300]


def test_a_place_that_cannot_be_written(make_run, tmp_path):
    (tmp_path / "file").write_text("")
    run = make_run("a", trained=False)
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="cannot be written"):
            write_report([run], out)


def test_no_runs(tmp_path):
    with pytest.raises(UserError, match="no runs"):
        write_report([], tmp_path)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, DASH), ("", "(empty)"), ([], "(none)"), (["a", "b"], "a, b"), (True, "True"),
        (1e-4, "0.0001"), ({}, "{}"), ((0.0, 3.0), "0.0, 3.0"), ("a\x1b", "a\ufffd"),
    ],
)  # fmt: skip
def test_values_read_well(value, text):
    assert shown(value) == text


def test_published_figures_stand_beside_ours(make_run, make_predictions):
    sets = {"progan": make_predictions("progan"), "own": make_predictions("own")}
    run = make_run("a", sets, published={"progan": 0.876})
    page = _Page(write_report([run], run / "report"))
    assert "published" in page.words
    assert "87.6" in page.words
    assert "AP as printed in a paper <1>" in page.words
    without = _Page(write_report([make_run("b", sets)], run / "report"))
    assert "AP as printed in" not in without.words


def test_a_page_of_somebody_else_is_not_replaced(make_run, tmp_path):
    run = make_run("a", trained=False)
    mine = tmp_path / "site" / "index.html"
    mine.parent.mkdir()
    mine.write_text("my page")
    with pytest.raises(UserError, match="site: holds other files"):
        write_report([run], mine.parent)
    assert mine.read_text() == "my page"
    write_report([run], tmp_path / "other")
    write_report([run], tmp_path / "other")
