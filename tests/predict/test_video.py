"""Clips: which frames are read, what stands for a clip, and what is no clip."""

import csv
import json
import os

import numpy as np
import pytest

from jaxdet.data.opencv import cv2, environment_default
from jaxdet.errors import UserError
from jaxdet.predict import load_detector
from jaxdet.predict.__main__ import main
from jaxdet.predict.video import Frames, is_video
from tests.conftest import exit_status
from tests.predict import samples

COUNT = 20


CODECS = {".avi": "MJPG", ".mkv": "MJPG", ".mp4": "mp4v", ".mpg": "PIM1"}


def write_clip(path, rate=10):
    """Frames of one grey each, 10 times their number, by a codec that keeps it within a few."""
    fourcc = cv2.VideoWriter_fourcc(*CODECS[path.suffix])
    # FFmpeg reads it when it is used first.
    with environment_default("OPENCV_FFMPEG_LOGLEVEL", "-8"):
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, rate, (64, 48))
    assert writer.isOpened()
    for number in range(COUNT):
        writer.write(np.full((48, 64, 3), 10 * number, np.uint8))
    writer.release()
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("video")
    samples.write_weights(place / "w.safetensors")
    write_clip(place / "a.mp4")
    write_clip(place / "b.avi")
    samples.write_images(place / "few", 1)
    content = (place / "a.mp4").read_bytes()
    (place / "cut.mp4").write_bytes(content[: len(content) // 2])
    (place / "empty.mp4").write_bytes(b"")
    (place / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\na.mp4\n")
    (place / "hidden.mp4").write_text("#EXTM3U\nAVI \n#EXTINF:1,\na.mp4\n")
    return place


def predict(place, *arguments):
    return exit_status(main, f"--weights={place / 'w.safetensors'}", "--crop=32", *arguments)


@pytest.mark.parametrize(
    ("text", "total", "numbers"),
    [
        ("4", 20, [2, 7, 12, 17]),
        ("32", 3, [0, 1, 2]),
        ("1", 5, [2]),
    ],
)
def test_frames_are_spread_evenly(text, total, numbers):
    assert list(Frames.of(text).chosen(total)) == numbers


@pytest.mark.parametrize("text", ["", "0", "every:0", "every:", "each:2", "-3", "1.5"])
def test_other_frames_are_refused(text):
    with pytest.raises(UserError, match="give N, so many frames"):
        Frames.of(text)


@pytest.mark.parametrize("name", ["a.mp4", "b.avi"])
def test_frames_and_their_clip_have_rows_in_every_form(place, name, tmp_path, capsys):
    clip, image = place / name, place / "few" / "00000.png"
    forms = [f"--json={tmp_path / 'rows.json'}", f"--csv={tmp_path / 'rows.csv'}"]
    assert predict(place, "--frames=every:6", *forms, image, clip) == 0
    out = capsys.readouterr().out
    rows = json.loads((tmp_path / "rows.json").read_text())
    names = [str(image), *(f"{clip}#{number}" for number in (0, 6, 12, 18)), str(clip)]
    assert [row["path"] for row in rows] == names
    frames, whole = rows[1:-1], rows[-1]
    assert [(row["frame"], row["clip"]) for row in frames] == [
        (n, str(clip)) for n in (0, 6, 12, 18)
    ]
    np.testing.assert_allclose([row["seconds"] for row in frames], [0, 0.6, 1.2, 1.8], atol=0.11)
    detector = load_detector(place / "w.safetensors")
    greys = [np.full((48, 64, 3), 10 * row["frame"], np.uint8) for row in frames]
    expected = detector.score(greys, crop=32)
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(
        [row["logit"] for row in frames], expected, atol=np.ptp(expected) / 9
    )
    assert whole["logit"] == pytest.approx(np.mean([row["logit"] for row in frames]), rel=1e-6)
    assert (whole["frames"], whole["rule"]) == (4, "mean logit of 4 frames of 20")
    assert whole["verdict"] == "unsure"
    assert "of single images" in whole["warnings"][0]
    lines = list(csv.DictReader((tmp_path / "rows.csv").read_text().splitlines()))
    assert [line["frame"] for line in lines] == ["", "0", "6", "12", "18", ""]
    assert lines[-1]["rule"] == whole["rule"]
    assert f"{whole['logit']:>8.3f}  {clip}\n" in out
    assert f"rule: {whole['rule']}" in out


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("empty.mp4", "not a video, or in a container that is not read"),
        ("list.mp4", "not a video, or in a container that is not read"),
        ("hidden.mp4", "not a video, or in a container that is not read"),
        ("cut.mp4", "damaged, or with a codec that is not read"),
    ],
)
def test_what_is_no_clip_has_one_row_that_says_so(place, name, says, capfd):
    assert predict(place, place / name, place / "few") == 1
    out, err = capfd.readouterr()
    assert f"error           -  {place / name}: {says}" in out
    assert len(out.splitlines()) == 3
    assert "moov" not in err
    assert "VIDEOIO" not in err


def test_large_frames_and_options_without_a_clip_are_refused(place, tmp_path, capsys):
    assert predict(place, "--max-pixels=100", place / "a.mp4") == 1
    assert "64x48 pixels are more than --max-pixels=100" in capsys.readouterr().out
    for given, says in (
        (["--frames=3", place / "few"], "--frames: none of the paths is a video"),
        ([f"--out={tmp_path / 'out'}", place / "a.mp4"], "a.mp4 is a video"),
    ):
        assert predict(place, *given) == 2
        assert says in capsys.readouterr().err
    folder = tmp_path / "folder.mp4"
    folder.mkdir()
    assert not is_video(folder)


def rows_of(place, tmp_path, clip, *arguments, status=0):
    assert predict(place, f"--json={tmp_path / 'rows.json'}", *arguments, clip) == status
    return json.loads((tmp_path / "rows.json").read_text())


def test_a_clip_that_breaks_off_says_how_much_is_missing(place, tmp_path):
    content = (place / "b.avi").read_bytes()
    (place / "broken.avi").write_bytes(content[: len(content) * 6 // 10])
    before = dict(os.environ)
    *frames, clip = rows_of(place, tmp_path, place / "broken.avi", "--frames=every:1")
    assert os.environ == before
    assert 0 < len(frames) < COUNT
    assert clip["warnings"][1:] == [
        f"{COUNT - len(frames)} of {COUNT} frames cannot be read: damaged, or its file states more "
        "than it holds"
    ]


def test_a_length_that_the_file_leaves_out_is_unknown(place, tmp_path, capsys):
    content = write_clip(place / "whole.mkv").read_bytes()
    # The element of the duration, of 8 bytes, becomes one without meaning.
    assert content.count(b"\x44\x89\x88") == 1
    (place / "endless.mkv").write_bytes(content.replace(b"\x44\x89\x88", b"\xec\x40\x08"))
    assert predict(place, place / "endless.mkv") == 1
    assert "does not say how many frames it has; give --frames=every:K" in capsys.readouterr().out
    *frames, clip = rows_of(place, tmp_path, place / "endless.mkv", "--frames=every:6")
    assert [row["frame"] for row in frames] == [0, 6, 12, 18]
    assert clip["rule"] == "mean logit of 4 frames of an unknown number"
    assert len(clip["warnings"]) == 1


def test_a_clip_may_hold_more_than_its_file_states(place, tmp_path):
    clip = write_clip(place / "short.mpg", rate=25)
    *frames, whole = rows_of(place, tmp_path, clip, "--frames=every:5")
    assert [row["frame"] for row in frames] == [0, 5, 10, 15]
    assert whole["rule"] == f"mean logit of 4 frames of {COUNT}"
    assert len(whole["warnings"]) == 1


def test_names_that_no_file_can_have_are_refused(place, capsys):
    assert predict(place, f"{'a' * 300}.mp4") == 2
    assert "cannot be read" in capsys.readouterr().err
