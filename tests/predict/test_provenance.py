"""What files say of their origin, as the programs that generate images write it."""

import io
import json
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from jaxdet.data.ops.opening import open_image
from jaxdet.predict.provenance import find_provenance

SIGNED = Path(__file__).parents[1] / "golden" / "c2pa.jpg"
PARAMETERS = "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, CFG scale: 7"


def told(kind, exif=None, **texts):
    info = PngImagePlugin.PngInfo()
    for key, (text, packed) in texts.items():
        info.add_text(key, text, zip=packed)
    options = {"pnginfo": info} if kind == "png" else {}
    file = io.BytesIO()
    picture = Image.fromarray(np.zeros((40, 40, 3), np.uint8))
    picture.save(file, kind, **options, **({"exif": exif} if exif else {}))
    return of(file.getvalue())


def of(content):
    with open_image(content, max_pixels=10**4) as image:
        return find_provenance(image, content)


def exif_of(**tags):
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[int(tag[1:])] = value
    return exif


def commented(comment):
    exif = Image.Exif()
    exif[0x8769] = {0x9286: comment}
    return exif


@pytest.mark.parametrize("kind", ["webp", "jpeg"])
def test_a_graph_of_comfyui_in_the_tags_of_a_camera_is_no_camera(kind):
    graph = json.dumps({"3": {"class_type": "KSampler"}})
    exif = exif_of(_272=f"prompt:{graph}", _271=f"workflow:{graph}")
    assert told(kind, exif) == ["its EXIF holds a graph, as ComfyUI writes"]
    (camera,) = told(kind, exif_of(_272="EOS: 5D", _271="Canon"))
    assert "camera Canon EOS: 5D" in camera


@pytest.mark.parametrize("kind", ["webp", "jpeg"])
@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le", "utf-8"])
def test_the_comment_of_the_web_ui_is_known_in_any_encoding(kind, encoding):
    exif = commented(b"UNICODE\0" + PARAMETERS.encode(encoding))
    assert told(kind, exif) == ["its EXIF comment is one that Stable Diffusion web UI writes"]
    assert told(kind, commented(b"ASCII\0\0\0holiday")) == []


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("key", "text", "program"),
    [
        ("Software", "NovelAI", "NovelAI"),
        ("Description", "a cat --v 6 Job ID: 0a1b2c3d-1234-4abc-9def-0123456789ab", "Midjourney"),
        ("Comment", PARAMETERS, "Stable Diffusion web UI"),
    ],
)
def test_values_of_texts_tell_programs_that_write_usual_keys(packed, key, text, program):
    found = told("png", **{key: (text, packed)})
    assert found == [f"its text {key!r} is one that {program} writes"]
    assert told("png", **{key: ("Steps: many", packed)}) == []


def test_texts_are_read_within_a_bound():
    assert told("png", Comment=("\0" * 10**8 + "NovelAI", True)) == []
    content = b"rainedAlgorithmicMedia" * 10**6
    start = time.process_time()
    with Image.open(SIGNED) as image:
        assert find_provenance(image, content) == []
    assert time.process_time() - start < 3


def test_a_signed_manifest_is_told_and_where_the_library_is_there_verified():
    source, manifest = of(SIGNED.read_bytes())
    assert source == "its metadata call it made by a trained model (IPTC digital source type)"
    assert manifest.startswith("it holds a C2PA manifest")


def test_a_manifest_fits_its_file_or_another():
    pytest.importorskip("c2pa", reason="needs the extra `c2pa`")
    content = SIGNED.read_bytes()
    assert (
        "it holds a C2PA manifest by jaxdet tests, signed by Tests of jaxdet, whose signature fits "
        "the file; who that is was not checked"
    ) in of(content)
    altered = content[:-10] + bytes([content[-10] ^ 1]) + content[-9:]
    (manifest,) = [one for one in of(altered) if "C2PA" in one]
    assert "does not fit the file" in manifest
    place = content.find(b"jumbc2cs")
    (manifest,) = [
        one for one in of(content[:place] + b"x" + content[place + 1 :]) if "C2PA" in one
    ]
    assert "signature fits" not in manifest
