"""Verdicts: what is said of an image, what is warned of, and where its file says it comes from."""

import io
import json

import jax
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from jaxdet import metrics
from jaxdet.config import Model
from jaxdet.convert.card import Card
from jaxdet.data.folder import load_sets
from jaxdet.data.likeness import unlike
from jaxdet.data.usual import usual_ranges
from jaxdet.errors import UserError
from jaxdet.evals.scores import calibrate
from jaxdet.models.detector import get_detector
from jaxdet.predict import LoadedDetector
from jaxdet.predict.judgement import make_judgement
from jaxdet.predict.provenance import find_provenance
from jaxdet.predict.rows import Scoring, score_files
from jaxdet.results import Predictions
from jaxdet.scoring.protocol import Protocol


def scored(label, logit):
    names = np.array([f"{number}.png" for number in range(len(label))])
    return Predictions(
        id=names, label=np.asarray(label, np.int32), logit=np.asarray(logit, np.float32),
        sharpness=np.ones(len(label), np.float32), skipped=np.array([], "U1"), fingerprint="",
    )  # fmt: skip


@pytest.fixture(scope="module")
def validation():
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], 400)
    return scored(label, rng.normal(np.where(label, 1.0, -1.0), 1.0))


@pytest.mark.parametrize("rate", [1, 5])
def test_the_stated_rates_hold_on_validation(validation, rate):
    judgement = make_judgement(calibrate(validation, source="val"), error_rate=rate)
    said = np.array([judgement.verdict(one) for one in validation.logit.tolist()])
    for label, wrong in ((0, "fake"), (1, "real")):
        share = (said[validation.label == label] == wrong).mean()
        assert 0 < share <= rate / 100
    assert 0 < (said == "unsure").mean() < 1


def test_a_smaller_error_rate_is_unsure_more_often(validation):
    known = calibrate(validation, source="val")
    bands = {rate: make_judgement(known, error_rate=rate).band for rate in (1, 5)}
    assert bands[1][0] < bands[5][0] < bands[5][1] < bands[1][1]
    with pytest.raises(UserError, match="error_rate=3: not one of 1, 5"):
        make_judgement(known, error_rate=3)


def test_between_labels_that_validation_parts_nothing_is_said():
    label = np.repeat([0, 1], 50)
    judgement = make_judgement(calibrate(scored(label, np.where(label, 9.0, -9.0)), source="val"))
    assert [judgement.verdict(one) for one in (-9, -8, 0, 8, 9)] == [
        "real", "unsure", "unsure", "unsure", "fake",
    ]  # fmt: skip


@pytest.mark.parametrize("label", [0, 1])
def test_nothing_is_said_without_images_of_both_labels(label):
    judgement = make_judgement(calibrate(scored([label] * 9, range(9)), source="val"))
    assert judgement.verdict(99.0) == "unsure"
    assert "unsure throughout" in str(judgement)


def test_a_threshold_that_is_asked_for_decides_alone(validation):
    judgement = make_judgement(calibrate(validation, source="val"), threshold=0.5, raw=True)
    assert [judgement.verdict(one) for one in (-0.1, 0.1)] == ["real", "fake"]
    assert make_judgement(None, threshold=0.5).verdict(0.1) == "fake"


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.5])
def test_the_threshold_of_missed_fakes_is_the_largest_that_occurs(validation, rate):
    found = metrics.threshold_at_fnr(validation.label, validation.logit, fnr=rate)
    fakes = np.sort(validation.logit[validation.label == 1])
    assert (fakes <= found).mean() <= rate
    above = np.sort(validation.logit)[np.searchsorted(np.sort(validation.logit), found) + 1]
    assert (fakes <= above).mean() > rate or above == found


def test_an_image_unlike_those_of_validation_is_warned_of():
    ranges = {"side": (64.0, 64.0), "quality": (70.0, 95.0), "sharpness": (10.0, 900.0)}
    like = {"side": 64.0, "quality": np.nan, "sharpness": 10.0}
    assert unlike(like, ranges) == []
    assert unlike({**like, "side": 16.0, "quality": 30.0, "sharpness": 0.0}, ranges) == [
        "unlike the images of validation: its shorter side is 16 pixels, theirs 64",
        "unlike the images of validation: its JPEG quality is about 30, theirs 70 to 95",
        "unlike the images of validation: its sharpness (variance of the Laplacian) is 0, theirs "
        "10 to 900",
    ]


def picture(seed=0, side=48):
    smooth = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(smooth).resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A set of twenty JPEGs of 48 pixels, qualities 80 to 99."""
    root = tmp_path_factory.mktemp("set")
    for number in range(20):
        place = root / "test" / "some" / ("0_real", "1_fake")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        picture(number).save(place / f"{number}.jpg", quality=80 + number)
    return root


def test_rows_warn_of_noise_a_blank_image_a_tiny_one_and_one_of_low_quality(folder, tmp_path):
    (images,) = load_sets(folder)
    ranges = usual_ranges(images, sharpness=np.array([20.0, 200.0]), max_pixels=10**6)
    assert ranges["side"] == (48, 48)
    low, high = ranges["quality"]
    assert 80 <= low < 82
    assert 97 < high <= 99
    known = calibrate(scored([0, 1], [-1.0, 1.0]), source="val", ranges=ranges)
    model = Model(name="resnet18", width=4)
    variables = jax.jit(get_detector(model).init, static_argnames="size")(
        jax.random.key(0), size=32
    )
    card = Card(protocol=Protocol(crop=32), calibration=known)
    detector = LoadedDetector(model, variables, card=card)
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    odd = {
        "a_noise.png": (Image.fromarray(noise), {}, ["sharpness"]),
        "b_blank.png": (Image.new("RGB", (48, 48)), {}, ["sharpness"]),
        "c_tiny.png": (picture(side=9), {}, ["shorter side", "sharpness"]),
        "d_low.jpg": (picture(), {"quality": 20}, ["JPEG quality"]),
        "e_large.png": (picture(side=480), {}, ["shorter side", "sharpness"]),
    }
    for name, (image, options, _) in odd.items():
        image.save(tmp_path / name, **options)
    rows = score_files(detector, sorted(tmp_path.iterdir()), Scoring.of(detector))
    for row, (_, _, told) in zip(rows, odd.values(), strict=True):
        assert [any(one in text for text in row["warnings"]) for one in told] == [True] * len(told)
    verdicts = detector.verdict([Image.open(tmp_path / name) for name in odd])
    assert [row["verdict"] for row in rows] == verdicts
    assert json.loads(json.dumps(rows)) == rows


def opened(image, **options):
    file = io.BytesIO()
    image.save(file, **options)
    return find_provenance(Image.open(file), file.getvalue())


def test_provenance_is_what_the_file_says_and_nothing_else():
    assert opened(picture(), format="png") == []
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", "a cat\nSteps: 20")
    (told,) = opened(picture(), format="png", pnginfo=texts)
    assert "Stable Diffusion web UI" in told
    assert "cat" not in told
    exif = Image.Exif()
    exif[271], exif[272], exif[305] = "Canon", "EOS\x1b[31m 5D", "darktable"
    assert opened(picture(), format="jpeg", exif=exif) == [
        "its EXIF names the camera Canon EOS[31m 5D", "its EXIF names the program darktable",
    ]  # fmt: skip
    source = b"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    assert opened(picture(), format="jpeg", xmp=source) == [
        "its metadata call it made by a trained model (IPTC digital source type)"
    ]


def test_a_c2pa_manifest_is_told_and_not_believed():
    box = b"jumb\0\0\0\x1ejumdc2pa\0\x11\0\x10\x80\0\0\xaa\x008\x9bq\x03c2pa\0"
    file = io.BytesIO()
    picture().save(file, "jpeg")
    content = file.getvalue()
    segment = b"\xff\xeb" + (len(box) + 10).to_bytes(2, "big") + b"JP\0\x01\0\0\0\x01" + box
    marked = content[:2] + segment + content[2:]
    with Image.open(io.BytesIO(marked)) as image:
        assert find_provenance(image, marked) == [
            "it holds a C2PA manifest, which was not verified"
        ]
