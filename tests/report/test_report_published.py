import csv
import io
import re

import pytest

from jaxdet.config import Data
from jaxdet.report import latex, papers, rows, tables
from jaxdet.report.compare import compare
from jaxdet.report.contents import contents_of
from jaxdet.report.load import load_runs
from jaxdet.report.markdown import markdown_text
from jaxdet.report.page import page_html
from jaxdet.report.published import Mark, difference, difference_text, mark_of

ELEVEN = ("ProGAN", "StyleGAN", "BigGAN", "CycleGAN", "StarGAN", "GauGAN", "CRN", "IMLE", "SITD",
          "SAN", "DeepFake")  # fmt: skip


@pytest.fixture
def run(make_run, make_predictions):
    """AP 3 points above, 7 below and 12 above what is published, and a set that nobody has."""
    sets = {name: make_predictions(name) for name in ("progan", "san", "crn", "own")}
    path = make_run("a", sets, trained=False)
    ap = {name: one.ap for name, one in load_runs([path])[0].results.sets.items()}
    published = {"progan": ap["progan"] - 0.03, "san": ap["san"] + 0.07, "crn": ap["crn"] - 0.12}
    return load_runs([make_run("a", sets, trained=False, published=published)])[0]


@pytest.mark.parametrize(
    ("points", "mark"),
    [
        (0.0, Mark.NEAR), (5.0, Mark.NEAR), (-5.0, Mark.NEAR), (5.1, Mark.FAR), (-5.1, Mark.FAR),
        (10.0, Mark.FAR), (10.1, Mark.FARTHER), (-99.0, Mark.FARTHER),
    ],
)  # fmt: skip
def test_differences_are_marked_as_they_are_shown(points, mark):
    assert mark_of(points) is mark
    assert difference_text(points) == f"{points:+.1f}{mark.value}"


def test_a_difference_is_rounded_before_it_is_marked():
    assert difference(0.95004, 0.9) == 5.0  # shown as 5.0, and so not marked
    assert difference(0.9506, 0.9) == 5.1
    assert difference(None, 0.9) is None
    assert difference(0.9, None) is None
    assert difference_text(None) == ""


def test_every_form_of_the_table_marks_them(run):
    text = io.StringIO()
    tables.print_table(run.results, text)
    lines = {line.split()[0]: line for line in text.getvalue().splitlines() if line.strip()}
    for name, said in (("progan", " +3.0 "), ("san", " -7.0* "), ("crn", " +12.0** ")):
        assert said in lines[name]
    markdown = markdown_text([run], compare([run]))
    assert " | +3.0 | " in markdown
    assert r" | **-7.0\*** | " in markdown
    assert r" | **+12.0\*\*** | " in markdown
    table = latex.latex_text([run])
    assert " & $+3.0$ & " in table
    assert r" & \textbf{$-7.0$} & " in table
    assert r" & \underline{\textbf{$+12.0$}} & " in table
    page = page_html(contents_of([run]))
    assert '<td class="n near"><span>+3.0</span></td>' in page
    assert '<td class="n far"><span>-7.0*</span></td>' in page
    assert '<td class="n farther"><span>+12.0**</span></td>' in page
    raw = {line["set"]: line for line in csv.DictReader(io.StringIO(tables.csv_text([run])))}
    assert [raw[n]["difference_points"] for n in raw] == ["3.0", "-7.0", "12.0", ""]


def test_a_mean_over_other_sets_has_no_difference(run):
    head = rows.header(run.results)
    line = rows.mean_line(run.results)
    assert line[head.index("published")] == rows.NONE
    assert line[head.index("diff")] == ""


def test_several_runs_have_theirs_beside_each_other(run, make_run, make_predictions):
    other = load_runs([make_run("b", {"san": make_predictions("san")}, trained=False)])[0]
    page = page_html(contents_of([run, other]))
    assert re.search(r'<small class="far">[\d.]+: <span>-7.0\*</span></small>', page)
    assert page.count('<small class="far"') == 1


# The layout of table 1 of Frank and Holz: settings by generators in their order, then the mean.


@pytest.fixture
def table_1(make_run, make_predictions, generators):
    """Two settings with published AP of the eleven, and one that nobody published."""
    sets = {n: make_predictions(n, per_label=20) for n in reversed(generators[:11])}
    published = dict.fromkeys(sets, 0.9)
    paths = [
        make_run("No Aug.", sets, published=published, trained=False),
        make_run("Blur + JPEG (0.5) & a_b%", sets, published=published, trained=False),
        make_run("own", sets, trained=False),
    ]
    return load_runs(paths)


def _body(text):
    """The lines between the rules of a tabular, as lists of cells."""
    parts = re.split(r"\\(?:top|mid|bottom)rule\n", text)
    return [[[cell.strip() for cell in line.removesuffix(r"\\").split("&")]
             for line in part.strip().splitlines()] for part in parts[1:-1]]  # fmt: skip


def test_the_layout_of_table_1_in_latex(table_1):
    text = papers.latex_text(table_1)
    head, first, second, own, baseline = _body(text.replace(r"\& a", r"\x a"))
    families = [cell for cell in head[0] if cell]
    assert families == ["GAN", "perceptual loss", "low-level vision", "deepfake"]
    assert [head[0].index(name) - 2 for name in families] == [0, 6, 8, 10]
    assert head[1:] == [["Run", "AP", *ELEVEN, "mAP"]]
    assert [line[:2] for line in first] == [
        ["No Aug.", "published"], ["", "measured"], ["", "difference"],
    ]  # fmt: skip
    assert first[0][2:] == ["90.0"] * 12
    sets = table_1[0].results.sets
    assert first[1][2] == latex.escaped(rows.marked_ap(sets["progan"]))
    assert baseline[0][:2] == ["all runs", "sharpness"]
    assert baseline[0][2] == rows.percent(sets["progan"].sharpness_ap)
    assert first[1][-1] == rows.percent(table_1[0].results.mean_ap)
    gap = round(100 * (sets["progan"].ap - 0.9), 1)
    assert first[2][2] == latex.difference(gap)
    assert second[0][0] == r"Blur + JPEG (0.5) \x a\_b\%"
    assert [line[:2] for line in own] == [["own", "measured"]]
    assert {len(line) for part in (head, first, second, own, baseline) for line in part} == {14}
    assert "mean over the eleven sets of the papers" in text


def test_latex_is_well_formed(table_1, run):
    for text in (papers.latex_text([*table_1, run]), latex.latex_text([*table_1, run])):
        code = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
        bare = re.sub(r"\\[\\&%$#_{}]", "", code)
        assert bare.count("{") == bare.count("}")
        assert bare.count("$") % 2 == 0
        assert not {"%", "#", "_", "~", "^"} & set(bare)
        begun = re.findall(r"\\(begin|end)\{(\w+)\}", code)
        stack = []
        for what, name in begun:
            if what == "begin":
                stack.append(name)
            else:
                assert stack.pop() == name
        assert stack == []
        for layout, body in re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end", code, re.DOTALL):
            lines = [line for line in body.splitlines() if line.endswith(r"\\")]
            assert lines
            cells = {len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines}
            assert cells == {len(layout)}


def test_signs_of_latex_are_text():
    assert latex.escaped("a_b%&$#{}~^\\<>|") == (
        r"a\_b\%\&\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}"
        r"\textless{}\textgreater{}\textbar{}"
    )
    assert latex.escaped("1\N{EN DASH}2 \N{PLUS-MINUS SIGN}\N{DAGGER}\x1b") == r"1--2 $\pm$\dag{}?"


def test_the_same_table_as_csv_and_markdown(table_1):
    lines = list(csv.reader(io.StringIO(papers.csv_text(table_1))))
    assert lines[0][:4] == ["run", "row", "progan", "stylegan"]
    assert [line[:2] for line in lines[1:5]] == [
        ["No Aug.", "published"], ["No Aug.", "measured"], ["No Aug.", "difference"],
        ["Blur + JPEG (0.5) & a_b%", "published"],
    ]  # fmt: skip
    assert lines[2][2] == repr(table_1[0].results.sets["progan"].ap)
    markdown = papers.markdown_text(table_1).splitlines()
    assert markdown[0] == f"| run | AP | {' | '.join(ELEVEN)} | mAP |"
    assert markdown[2].startswith("|  |  | GAN |  |")
    assert len(markdown[3].replace(r"\|", "").split("|")) == 14 + 2


def test_the_generator_that_was_trained_on_is_marked_in_every_form(make_run, make_predictions):
    sets = {name: make_predictions(name, strength=3) for name in ("progan", "crn")}
    settings = {"data": Data(generator="progan")}
    path = make_run("a", sets, trained=False, settings=settings, published={"progan": 0.9})
    runs = load_runs([path])
    own, other = (rows.percent(runs[0].results.sets[name].ap) for name in sets)
    markdown, tex = papers.markdown_text(runs), papers.latex_text(runs)
    assert f" | measured | {own}\N{DOUBLE DAGGER} | {other} |" in markdown
    assert " | published | 90.0\N{DOUBLE DAGGER} |" in markdown
    assert f" & {own}\\ddag{{}} & {other} & " in tex
    for text in (markdown, tex):
        assert "the generator whose fakes were trained on" in text
    page = " ".join(page_html(contents_of(runs)).split())
    assert '<th scope="row">progan <small>GAN, trained on</small>' in page
    assert '<th scope="row">crn <small>perceptual loss</small>' in page
    assert page.count('class="set trained"') == 1


def test_sets_of_ones_own_come_last_and_are_averaged_over(run):
    assert papers.titles([run]) == ["ProGAN", "CRN", "SAN", "own", "mAP"]
    published, measured, gap, _ = papers.lines([run])
    assert measured.values[-1] == pytest.approx(run.results.mean_ap)
    assert published.values[-2:] == (None, None)
    assert gap.values[-1] is None
    assert "all sets shown" in papers.latex_text([run])
