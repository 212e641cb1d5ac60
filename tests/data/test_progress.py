import re

import pytest

from jaxdet.data import progress
from jaxdet.data.progress import Meter, size_text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (2_500_000, "2.5 MB"),
        (74_924_002_746, "74.9 GB"),
    ],
)
def test_sizes_read_as_people_say_them(count, text):
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("total", "form"),
    [
        (4_000_000, r"set\.zip: 3\.0 MB of 4\.0 MB, [\d.]+ .?B/s, \d+ s left\n"),
        (None, r"set\.zip: 3\.0 MB, [\d.]+ .?B/s\n"),
    ],
)
def test_without_a_terminal_a_line_now_and_then(capsys, monkeypatch, total, form):
    with Meter("set.zip", total=total) as meter:
        meter.set(1_000_000)
        meter.advance(1_000_000)
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(progress, "_PLAIN_EVERY", 0.0)
        meter.advance(1_000_000)
    assert re.fullmatch(form, capsys.readouterr().err)
