import html.parser
import re
import shutil

from PIL import Image

_VOID = {"meta", "br", "hr", "img", "link", "input"}
HOSTILE = '<script>alert(1)</script> & "it\'s" [red]\x1b[31m {{ 7 * 7 }}'


class _Page(html.parser.HTMLParser):
    """Text and tags of a page, every tag closed in order."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.source = path.read_text()
        self.feed(self.source)
        assert self.open == []
        self.words = " ".join(" ".join(self.text).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def mixed(pixels, path, fake):
    Image.fromarray(pixels).save(path.with_suffix(".png" if fake else ".jpg"))


def test_the_page_tells_the_figures_of_the_json(make_tree, audit, tmp_path):
    root = make_tree(mixed, count=16)
    shutil.copy(root / "train/cat/1_fake/003.png", root / "val/cat/1_fake/copy.png")
    (root / "test/alpha/0_real/000.jpg").write_bytes(b"")
    status, findings, _ = audit(root, f"--page={tmp_path / 'new folder' / 'page.html'}")
    page = _Page(tmp_path / "new folder" / "page.html")
    assert status == 1
    for fault in findings["faults"]:
        assert fault in page.words
    for name in ("train", "val", "test/alpha", "container", "JPEG", "empty", "0 bytes"):
        assert name in page.words
    assert "val/cat/1_fake/copy.png" in page.words
    assert "100 *" in page.words.replace("100*", "100 *")
    low, high = findings["groups"][0]["cues"]["container"]["chance"]
    assert f"{100 * low:.0f}\N{EN DASH}{100 * high:.0f}" in page.words


def test_a_clean_page_says_so_and_asks_for_nothing_else(make_tree, audit, tmp_path):
    audit(make_tree(count=8), f"--page={tmp_path / 'page.html'}")
    page = _Page(tmp_path / "page.html")
    assert "Clean: no leak" in page.words
    assert "Every file was decoded." in page.words
    assert {"script", "img", "link", "iframe"}.isdisjoint(page.tags)
    assert re.findall(r"(?:src|href|url)\s*[=(]", page.source) == []
    assert "prefers-color-scheme: dark" in page.source


def test_hostile_names_stay_text(make_tree, audit, tmp_path):
    root = make_tree(count=4)
    name = HOSTILE.replace("/", "\N{FRACTION SLASH}")
    (root / "train" / "cat").rename(root / "train" / name)
    (root / "train" / name / "0_real" / f"{name}.png").write_bytes(b"")
    _, _, said = audit(root, f"--page={tmp_path / 'page.html'}")
    page = _Page(tmp_path / "page.html")
    assert "script" not in page.tags
    assert name.replace("\x1b", "\N{REPLACEMENT CHARACTER}") in page.words
    assert "\x1b" not in page.source + said.out
    assert "[red]" in said.out
