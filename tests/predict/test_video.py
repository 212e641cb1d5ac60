"""Clips: which frames are read, what stands for a clip, and what is no clip."""

import csv
import json

import numpy as np
import pytest

from jaxdet.data.opencv import cv2
from jaxdet.errors import UserError
from jaxdet.predict import load_detector
from jaxdet.predict.__main__ import main
from jaxdet.predict.video import Frames, is_video
from tests.conftest import exit_status
from tests.predict import samples

COUNT = 20


def write_clip(path, count=COUNT):
    """Frames of one grey each, 10 times their number, by a codec that keeps it within a few."""
    codec = "MJPG" if path.suffix == ".avi" else "mp4v"
    fourcc = cv2.VideoWriter_fourcc(*codec)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, 10, (64, 48))
    assert writer.isOpened()
    for number in range(count):
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
