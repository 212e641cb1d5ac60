import re

import pytest

from jaxdet import progress
from jaxdet.progress import ProgressLine, size_text


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
    with ProgressLine("set.zip", total=total, unit="bytes") as meter:
        meter.set(1_000_000)
        meter.advance(1_000_000)
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(progress, "_PLAIN_EVERY", 0.0)
        meter.advance(1_000_000)
    assert re.fullmatch(form, capsys.readouterr().err)


def test_the_time_of_compiling_is_no_pace(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress, "_PLAIN_EVERY", 1.5)
    with ProgressLine("epoch 1 of 12", total=10) as line:
        for now[0] in (100.0, 102.0):
            line.advance()
    assert capsys.readouterr().err.splitlines() == [
        "epoch 1 of 12: 1/10 steps", "epoch 1 of 12: 2/10 steps, 16 s left",
    ]  # fmt: skip


def test_progress_away_from_a_terminal_is_plain_text(capsys, monkeypatch):
    monkeypatch.setattr("jaxdet.progress._PLAIN_EVERY", 0.0)
    with ProgressLine("score x", total=4, unit="images") as line:
        line.advance(2, note="loss 0.500")
        line.advance(2)
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("score x: 2/4 images, ")
    assert told[0].endswith("s left loss 0.500")
    assert "4/4 images, 0 s left" in told[1]
