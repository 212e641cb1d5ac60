"""`predict --engine=onnx` beside JAX's own rows; needs the extra `onnx`."""

import dataclasses
import json

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the extra `onnx`: pip install -e '.[onnx]'")
pytest.importorskip("onnxruntime", reason="needs the extra `onnx`: pip install -e '.[onnx]'")

import jaxdet
from jaxdet.convert.__main__ import main as convert
from jaxdet.convert.onnx.run import read_onnx
from jaxdet.errors import UserError
from jaxdet.predict.__main__ import main
from jaxdet.predict.onnx_engine import OnnxDetector
from tests.predict.samples import write_images, write_weights


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    write_weights(folder / "w.safetensors")
    write_images(folder / "images", 6, broken_every=5)
    line = ["export", "--format=onnx", str(folder / "w.safetensors"), str(folder / "d.onnx")]
    convert(line)
    return folder


def rows(place, out, *options):
    with pytest.raises(SystemExit) as stopped:  # one file is broken
        main([*options, f"--json={out}", str(place / "images")])
    assert stopped.value.code == 1
    return json.loads(out.read_text())


@pytest.mark.parametrize("options", [["--crop=32"], ["--crop=none"], ["--crop=40", "--resize=48"]])
def test_rows_are_those_of_jax(place, tmp_path, options):
    plain = rows(place, tmp_path / "a.json", f"--weights={place / 'w.safetensors'}", *options)
    ours = rows(
        place, tmp_path / "b.json", f"--weights={place / 'd.onnx'}", "--engine=onnx", *options
    )
    assert len(plain) == 6
    for one, other in zip(ours, plain, strict=True):
        assert one.keys() == other.keys()
        assert {k: one[k] for k in one if k not in ("logit", "probability")} == {
            k: other[k] for k in other if k not in ("logit", "probability")
        }
        if "logit" in one:
            assert one["logit"] == pytest.approx(other["logit"], abs=1e-4)
            assert one["probability"] == pytest.approx(other["probability"], abs=1e-4)


def test_from_python_a_file_is_any_detector(place):
    images = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), np.uint8)
    ours = jaxdet.load_detector(place / "d.onnx")
    plain = jaxdet.load_detector(place / "w.safetensors")
    for crop in (32, "none"):
        expected = plain.score(images, crop=crop)
        np.testing.assert_allclose(ours.score(images, crop=crop), expected, atol=1e-4)
    assert ours.digest == plain.digest
    with pytest.raises(UserError, match="gives logits alone, no evidence"):
        ours.evidence(images)
    with pytest.raises(UserError, match="--arch: an ONNX file is of one detector alone"):
        jaxdet.load_detector(place / "d.onnx", arch="vgg11")


def test_crops_below_the_smallest_image_are_refused(place):
    program = dataclasses.replace(read_onnx(place / "d.onnx"), smallest=64)
    with pytest.raises(UserError, match=r"--crop=32: .* takes crops of 64 pixels or more"):
        OnnxDetector(program).choose(32)
    assert OnnxDetector(program).choose("none").parts == "full"


def test_masses_are_scored_too_and_known_again(place, tmp_path, capsys):
    line = [
        f"--weights={place / 'd.onnx'}",
        "--engine=onnx",
        "--crop=32",
        f"--out={tmp_path / 'o'}",
    ]
    for says in ("5 with a score, 1 without", "finished before: 6 images"):
        with pytest.raises(SystemExit):
            main([*line, str(place / "images")])
        assert says in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--weights=w.safetensors", "--engine=onnx"], "export --format=onnx w.safetensors"),
        (["--weights=d.onnx"], "an ONNX file; give --engine=onnx"),
        (["--weights=d.onnx", "--engine=onnx", "--arch=vgg11"], "--arch: an ONNX file is of one"),
        (["--weights=images/x.onnx", "--engine=onnx"], "images/x.onnx: cannot be read"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_line(place, monkeypatch, capsys, options, says):
    monkeypatch.chdir(place)
    with pytest.raises(SystemExit) as stopped:
        main([*options, "images"])
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err
