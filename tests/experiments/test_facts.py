"""Every row of the papers' tables against what its sources say: tests/golden/facts.csv."""

import csv
from fnmatch import fnmatchcase

import pytest

from jaxdet import config as schema
from tests.golden import tables

FACTS = list(csv.DictReader((tables.FOLDER.parent / "facts.csv").open(newline="")))
KINDS = {"classes", "augmentation", "network", "crop", "images", "schedule"}
# What no source can say, or a note of ours about the row.
OURS = {"name", "evaluation.published"}
NOBODY = "none"


def _papers_rows():
    names = [name for name in tables.NAMES if name != "detectors"]
    return {f"{name}/{row.name}": row for name in names for row in tables.load(name).rows}


ROWS = _papers_rows()


def _of(place):
    """The facts of a row."""
    return [
        fact
        for fact in FACTS
        if any(fnmatchcase(place, pattern) for pattern in fact["rows"].split())
    ]


def _options(fact):
    """Option to value, as text, of a fact that is no note."""
    if fact["fact"] == "note":
        return {}
    return dict(pair.split("=", 1) for pair in fact["expected"].split("; "))


def _values(row):
    """The options of a row, and its number of images, as facts have them."""
    flat = {**schema.flatten(row.config), "images": row.images}
    return {
        name: "+".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for name, value in flat.items()
    }


def test_facts_have_a_row_a_source_and_short_quotes():
    for fact in FACTS:
        patterns = fact["rows"].split()
        idle = [p for p in patterns if not any(fnmatchcase(place, p) for place in ROWS)]
        assert idle == [], fact
        assert fact["fact"] in KINDS | {"validation", "protocol", "note"}, fact
        assert len(fact["quote"].split()) <= 15, fact
        has_source = fact["document"] != NOBODY
        assert bool(fact["quote"]) == bool(fact["section"]) == has_source, fact


@pytest.mark.parametrize("place", ROWS)
def test_a_row_is_what_its_sources_say(place):
    values = _values(ROWS[place])
    kinds = {fact["fact"] for fact in _of(place)}
    trains = ROWS[place].config.task != "eval"
    assert kinds >= (KINDS if trains else {"network", "crop", "protocol"})
    for fact in _of(place):
        expected = _options(fact)
        assert {name: values[name] for name in expected} == expected, fact


@pytest.mark.parametrize("place", ROWS)
def test_what_a_row_changes_is_stated_by_a_source_or_noted_as_assumed(place):
    row, facts = ROWS[place], _of(place)
    defaults = schema.flatten(schema.Config())
    changed = {
        name for name, value in schema.flatten(row.config).items() if value != defaults[name]
    }
    stated = {o for f in facts if f["document"] != NOBODY for o in _options(f)}
    assumed = {o for f in facts if f["document"] == NOBODY for o in _options(f)}
    assert changed - OURS - stated - assumed == set()
    assert stated & assumed == set()
    assert bool(row.unverified) or not assumed


@pytest.mark.parametrize("place", ROWS)
def test_every_note_is_of_what_no_source_states_or_of_which_source_is_followed(place):
    written = set(ROWS[place].unverified.split("; ")) - {""}
    assert written == {fact["expected"] for fact in _of(place) if fact["fact"] == "note"}
