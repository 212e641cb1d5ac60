"""The texts for users: options, files and headings that they name are there; guides are short."""

import re
from pathlib import Path

import pytest

import jaxdet
from jaxdet import hub
from jaxdet.config.forms import list_options

ROOT = Path(__file__).parents[1]
# Not the changelog, which also has the names of before.
_OWN = (path for path in ROOT.glob("*.md") if path.name != "CHANGELOG.md")
TEXTS = sorted([*_OWN, *(ROOT / "docs").rglob("*.md"), *(ROOT / "configs").rglob("*.py")])
_OPTION = re.compile(r"--config\.([a-z_]+(?:\.[a-z_0-9]+)*)")
_SECTIONS = "|".join(sorted({key.split(".")[0] for key in list_options() if "." in key}))
_NAMED = re.compile(rf"`(?:--config\.)?((?:{_SECTIONS})\.[a-z_0-9]+)(?:=[^`]*)?`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
# What a newcomer reads; the rest is docs/reference and docs/evidence.
_PAGES = (
    "data", "training", "launch", "evaluation", "scoring", "conversion", "experiments", "systems",
)  # fmt: skip
GUIDES = ("README.md", *(f"docs/{page}.md" for page in _PAGES))
# Names of other things that begin as options do.
_OTHERS = {"checkpoint.py", "validation.npz", "model.state_dict"}


def anchors(text):
    """Returns the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_there_are_texts():
    assert len(TEXTS) > 40


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_options_files_and_headings_that_are_named_are_there(path):
    text = path.read_text()
    known = set(list_options())
    named = {*_OPTION.findall(text), *_NAMED.findall(text)} - {"key"} - _OTHERS
    unknown = {
        name for name in named
        if name not in known and not any(key.startswith(f"{name}.") for key in known)
    }  # fmt: skip
    assert unknown == set()
    for target, anchor in _LINK.findall(text) if path.suffix == ".md" else ():
        if re.match(r"[a-z]+:", target):
            continue
        place = path.parent / target if target else path
        assert place.exists(), target
        assert not anchor or anchor in anchors(place.read_text()), f"{target}#{anchor}"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tables_are_whole(path):
    """Each has a heading, and as many cells in every row; a blank line would cut rows off."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    for table in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE) if path.suffix == ".md" else ():
        heading, rule, *_ = rows = [*table.splitlines(), ""]
        assert re.fullmatch(r"[|:\- ]+", rule), f"no heading: {heading}"
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in rows[:-1]}
        assert len(cells) == 1, f"rows of several lengths: {heading}"


def test_the_reference_of_python_has_every_public_name():
    text = (ROOT / "docs/api.md").read_text()
    # The package `jaxdet.train` is called as its function `start.train`.
    public = {*jaxdet.__all__, "start.train", *(f"hub.{name}" for name in hub.__all__)} - {"train"}
    assert [name for name in public if f":: jaxdet.{name}\n" not in text] == []


def test_guides_are_short():
    words = {name: len((ROOT / name).read_text().split()) for name in GUIDES}
    assert sum(words.values()) <= 6000, words
