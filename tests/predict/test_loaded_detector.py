"""What `jaxdet.load_detector` gives to a program of one's own."""

import functools
import io
import weakref
from pathlib import Path

import jax
import jax.monitoring
import numpy as np
import pytest
from PIL import Image
from scipy.special import expit

import jaxdet
from jaxdet.config import Model
from jaxdet.convert.card import Card
from jaxdet.data import ops
from jaxdet.errors import BadArgumentError, BadImageError, UserError
from jaxdet.metrics import average_precision
from jaxdet.models.detector import get_detector
from jaxdet.predict import LoadedDetector
from jaxdet.results import Calibration
from jaxdet.runtime import mesh
from jaxdet.scoring import batches, launch, scorer
from jaxdet.scoring.batches import few_crops
from jaxdet.scoring.pieces import MAX_WHOLE_PIXELS, cut
from jaxdet.scoring.protocol import Protocol
from tests.predict import samples

MODEL = Model(name="resnet18", width=4, zero_init_residual=False)
CALIBRATION = Calibration(
    source="val", n_real=3, n_fake=4, temperature=2.5, thresholds={"fpr_1": 1.5, "fpr_5": None}
)


def make(protocol, **known):
    return LoadedDetector(MODEL, variables(), card=Card(protocol=protocol, **known))


@functools.cache
def variables():
    init = jax.jit(get_detector(MODEL).init, static_argnames="size")
    return init(jax.random.key(0), size=32)


@pytest.fixture(scope="module")
def detector():
    return make(Protocol(crop=32, resize=40), source="runs/a", choice="latest", step=7,
                sha256="ab" * 32, calibration=CALIBRATION)  # fmt: skip


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)


def test_one_image_counts_as_a_list_of_one(detector, image):
    expected = detector.score([image])
    assert expected.shape == (1,)
    assert detector.score(image) == expected
    assert detector.score(Image.fromarray(image)) == expected
    assert detector.score([Image.fromarray(image).convert("RGBA")]) == expected


def test_images_that_clients_wait_for_are_scored_without_another_compilation(image):
    detector = make(Protocol(crop=64))
    detector.warm_up_few()
    compiled = detector._scorer._step._cache_size()
    for count in range(1, detector.few + 1):
        assert detector.score([image] * count).shape == (count,)
    assert (detector.few, compiled, detector._scorer._step._cache_size()) == (4, 2, 2)
    assert few_crops("cpu", Protocol("five_crops", 64)) == 5
    assert few_crops("cpu", Protocol(crop=512)) == 1, "as many as a CPU takes at once"


def test_an_accelerator_has_the_next_batch_and_its_work_before_the_last_is_fetched(
    detector, monkeypatch
):
    images = list(np.random.default_rng(2).integers(0, 256, (70, 40, 40, 3), np.uint8))
    expected = detector.score(images)
    events = []
    step, fetch = detector._scorer._step, launch._fetch
    for module in (mesh, scorer, launch):
        monkeypatch.setattr(module, "platform", lambda devices: "gpu")
    placed = mesh.put_batch
    monkeypatch.setattr(
        launch, "put_batch", lambda *given: events.append("place") or placed(*given)
    )
    monkeypatch.setattr(batches, "_CROPS", 1)
    monkeypatch.setattr(batches, "_MAX_BATCH", 16)
    monkeypatch.setattr(
        detector._scorer, "_step", lambda *given: events.append("launch") or step(*given)
    )
    monkeypatch.setattr(launch, "_fetch", lambda given: events.append("fetch") or fetch(given))
    # One crop of 224 pixels is as many pixels as 49 of 32, and no batch has more than 16.
    found = detector.score(images)
    assert " ".join(events) == (
        "place place launch place launch fetch place launch fetch place launch fetch launch fetch "
        "fetch"
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


PNG = io.BytesIO()
Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)).save(PNG, "png")
SECRET = b"the content of a file"
WRONG = [
    ("", "'': give the path of an image or a folder"),
    ([b"photo.jpg"], "bytes given; open"),
    ([np.zeros((4, 4))], r"not float64 \(4, 4\)"),
    (np.zeros((4, 4), np.uint8), r"not uint8 \(4, 4\)"),
    (np.uint8(3), r"not uint8 \(\)"),
    (np.zeros((1, 1, 4, 4, 3), np.uint8), r"not uint8 \(1, 1, 4, 4, 3\)"),
    ([[[1, 2], [3]]], "not list"),
    (None, "or one of Pillow's, not NoneType"),
    ([None], "not NoneType"),
    ({"a": np.zeros((4, 4, 3), np.uint8)}, "not dict"),
    (SECRET, "bytes given; open it first: PIL.Image.open"),
    ([bytearray(SECRET)], "bytearray given; open"),
    (memoryview(SECRET), "memoryview given; open"),
    (io.BytesIO(SECRET), "BytesIO given; open"),
]


@pytest.mark.parametrize(("wrong", "says"), WRONG)
@pytest.mark.parametrize("call", ["score", "probability", "evidence"])
def test_what_is_no_image_is_answered_with_what_is_one(detector, call, wrong, says):
    with pytest.raises(BadArgumentError, match=says) as raised:
        getattr(detector, call)(wrong)
    assert SECRET.decode() not in str(raised.value)


def test_linked_folders_are_entered_but_not_in_a_circle(tmp_path):
    near, far = tmp_path / "near", tmp_path / "far"
    for folder in (near, far):
        folder.mkdir()
        (folder / "x.png").write_bytes(PNG.getvalue())
    (near / "more").symlink_to(far)
    (far / "back").symlink_to(near)
    assert jaxdet.list_images(near) == [near / "x.png", near / "more/x.png"]


def test_images_of_pillow_that_cannot_be_read_are_named(detector, tmp_path):
    (tmp_path / "half.png").write_bytes(PNG.getvalue()[:3000])
    with pytest.raises(BadArgumentError, match=r"half\.png: cannot be read: image file is trunc"):
        detector.score([Image.open(tmp_path / "half.png")])
    with pytest.raises(BadArgumentError, match="image 0: cannot be read: image file is trunc"):
        detector.score(Image.open(io.BytesIO(PNG.getvalue()[:3000])))
    closed = Image.open(PNG)
    closed.close()
    with pytest.raises(BadArgumentError, match="image 0: cannot be read: "):
        detector.score(closed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six images, of which number 2 is no image, beside what is none and a folder of one more."""
    folder = samples.write_images(tmp_path_factory.mktemp("given") / "few", 6, broken_every=5)
    samples.write_images(folder / "deeper", 1, seed=5)
    (folder / "notes.txt").write_text("none")
    return folder


def test_files_folders_arrays_and_images_of_pillow_score_alike(detector, folder):
    files = jaxdet.list_images(folder)
    names = [path.relative_to(folder).as_posix() for path in files]
    assert names == [*(f"{n:05d}.{'jpg' if n % 2 else 'png'}" for n in range(6)),
                     "deeper/00000.png"]  # fmt: skip
    intact = [path for path in files if path.name != "00002.png"]
    opened = [Image.open(path) for path in intact]
    expected = detector.score(opened)
    assert detector.score([np.asarray(image) for image in opened]).tolist() == expected.tolist()
    mixed = [str(intact[0]), opened[1], np.asarray(opened[2]), *intact[3:5], folder / "deeper"]
    np.testing.assert_allclose(detector.score(mixed), expected, atol=1e-5)
    np.testing.assert_allclose(detector.evidence(mixed), detector.evidence(opened), atol=1e-5)


def test_a_broken_file_is_named_or_told_and_nan(detector, folder, capsys):
    for call in (detector.score, detector.evidence, detector.verdict):
        with pytest.raises(BadImageError, match=r"few/00002\.png: cannot be read: not an image"):
            call(folder)
    capsys.readouterr()
    logits = detector.score(folder, broken="nan")
    assert np.isnan(logits).tolist() == [number == 2 for number in range(7)]
    assert capsys.readouterr().err.count("few/00002.png: cannot be read") == 1
    assert np.isnan(detector.probability(folder, broken="nan")).sum() == 1
    assert detector.verdict(folder, broken="nan")[2] == "unsure"
    maps = detector.evidence(folder, broken="nan")
    assert maps.shape == (7, 1, 1)
    assert np.isnan(maps).sum() == 1
    line = np.zeros((1, 100_000, 3), np.uint8)
    assert np.isnan(detector.score(line, broken="nan")).all()
    with pytest.raises(BadArgumentError, match="broken='skip': raise or nan"):
        detector.score(folder, broken="skip")


def test_arrays_and_columns_of_paths_are_lists(detector, folder):
    pd = pytest.importorskip("pandas")
    files = [str(path) for path in jaxdet.list_images(folder) if path.name != "00002.png"]
    expected = detector.score(files).tolist()
    for given in (np.array(files), np.array(files, object), pd.Series(files)):
        assert detector.score(given).tolist() == expected


def test_broken_images_of_an_iterable_are_numbered(detector, image, tmp_path):
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    cut = Image.open(io.BytesIO(content.getvalue()[:5000]))
    line = np.zeros((1, 100_000, 3), np.uint8)
    for broken, error in ((cut, BadArgumentError), (line, BadImageError)):
        with pytest.raises(error, match=r"^image 2: cannot be read: "):
            detector.score(iter([image, image, broken]))
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    says = r"huge\.png: cannot be read: 20000x20000 pixels are more than the limit=\d+$"
    with pytest.raises(BadImageError, match=says):
        detector.score(tmp_path / "huge.png")


def test_paths_without_images_are_refused(detector, folder, tmp_path):
    for given, says in (
        ("photo.jpg", "photo.jpg: no such file or folder"),
        ([folder / "00000.png", Path("photo.jpg")], "photo.jpg: no such file"),
        (tmp_path, "holds no image files"),
        ("https://a.b/c.png", "a URL, and nothing is fetched"),
    ):
        with pytest.raises(UserError, match=says):
            detector.score(given)


def test_images_of_an_iterator_are_taken_as_they_are_scored(detector):
    alive, most = set(), 0

    def images():
        nonlocal most
        for number in range(500):
            image = np.full((300, 300, 3), number % 256, np.uint8)
            alive.add(number)
            weakref.finalize(image, alive.discard, number)
            most = max(most, len(alive))
            yield image
            del image

    assert detector.score(images()).shape == (500,)
    assert most < 250


IMAGE = np.zeros((8, 8, 3), np.uint8)
CALLS = {
    "load_detector takes the path of weights, not None": lambda: jaxdet.load_detector(None),
    "takes the path of weights, not ''": lambda: jaxdet.load_detector(""),
    "takes the path of weights, not b'w'": lambda: jaxdet.load_detector(b"w"),
    "checkpoint=3: not one of best": lambda: jaxdet.load_detector("w", checkpoint=3),
    "arch=5: give a name": lambda: jaxdet.load_detector("w", arch=5),
    "state_dict=.*: give a name": lambda: jaxdet.load_detector("w", state_dict=[]),
    "labels and scores must be numbers": lambda: average_precision([0, 1], ["a", "b"]),
    r"labels \(\) and scores": lambda: average_precision(None, None),
    "must be numbers .N.": lambda: average_precision([0, 1], {}),
    "an image must be uint8 .* not NoneType": lambda: ops.gaussian_blur(None, sigma=1),
    "not float64 .8, 8, 3.": lambda: ops.gaussian_blur(IMAGE / 255, sigma=1),
    "sigma='a': give a number": lambda: ops.gaussian_blur(IMAGE, sigma="a"),
    "sigma=nan: give": lambda: ops.gaussian_blur(IMAGE, sigma=float("nan")),
    "sigma=-1: give": lambda: ops.gaussian_blur(IMAGE, sigma=-1),
    "backend None": lambda: ops.gaussian_blur(IMAGE, sigma=1, backend=None),
    "not str": lambda: ops.jpeg("a", quality=5),
    "quality=5.5: give a whole number": lambda: ops.jpeg(IMAGE, quality=5.5),
    "quality=0: give": lambda: ops.jpeg(IMAGE, quality=0),
    r"codec \[\] is neither": lambda: ops.jpeg(IMAGE, quality=5, codec=[]),
}


@pytest.mark.parametrize("says", CALLS)
def test_public_calls_say_what_they_take(says):
    with pytest.raises(BadArgumentError, match=says) as raised:
        CALLS[says]()
    assert "\n" not in str(raised.value)


def test_a_crop_that_the_network_cannot_take_is_refused_by_its_option():
    model = Model(name="forensic_transfer", width=4)
    small = LoadedDetector(model, {}, card=Card(protocol=Protocol(crop=32)))
    says = "--crop=8: forensic_transfer takes crops of multiples of 16, 16 pixels or more"
    with pytest.raises(UserError, match=says):
        small.score(IMAGE, crop=8)


def test_its_own_protocol_resizes_and_an_asked_crop_does_not(detector, image):
    resized = np.asarray(Image.fromarray(image).resize((56, 40), Image.Resampling.BILINEAR))
    own, asked = detector.score([image]), detector.score([image], crop=32)
    np.testing.assert_allclose(own, detector.score([resized], crop=32), atol=1e-6)
    assert abs(own - asked) > 1e-4
    assert detector.score([image], crop=32, resize=40) == own
    for asked, says in (
        ({"crop": 32, "resize": 30}, "--resize=30 leaves images smaller"),
        ({"crop": "full"}, "crop='full': give a number of pixels"),
        ({"crop": 0}, "crop=0: give a number of pixels"),
        ({"crop": True}, "crop=True: give a number of pixels"),
    ):
        with pytest.raises(UserError, match=says):
            detector.score([image], **asked)
    assert detector.score([image], crop=np.int64(32), resize=40) == own


def test_probabilities_are_calibrated_unless_they_are_asked_for_raw(detector, image):
    logit = detector.score([image])
    np.testing.assert_allclose(detector.probability([image]), expit(logit / 2.5), rtol=1e-6)
    np.testing.assert_allclose(detector.probability([image], raw=True), expit(logit), rtol=1e-6)


def test_a_threshold_of_validation_is_a_logit_and_belongs_to_one_protocol(detector):
    judgement = detector.judge(threshold="fpr_1")
    assert [judgement.is_fake(logit) for logit in (1.4999, 1.5)] == [False, True]
    for given in ({"threshold": "fpr_5"}, {"threshold": "fpr_1", "protocol": Protocol(crop=32)}):
        with pytest.raises(UserError, match="not known for these weights"):
            detector.judge(**given)


def test_it_says_what_it_is_and_the_package_shows_it(detector):
    assert repr(detector) == (
        "<resnet18 of width 4 from runs/a, checkpoint latest at step 7, digest abababababababab; "
        "centre crop of 32 pixels after resizing the shorter side to 40; calibrated at T=2.5>"
    )
    assert "load_detector" in dir(jaxdet)


def test_evidence_and_bias_add_up_to_the_logit(detector, image):
    maps = detector.evidence([image, image[:45]])
    assert maps.shape == (2, 1, 1)
    bias = np.asarray(detector.variables["params"]["fc"]["bias"])
    expected = detector.score([image, image[:45]])
    np.testing.assert_allclose(maps.sum((1, 2)) + bias, expected, atol=1e-5)


def test_five_crops_are_the_mean_of_their_logits(image):
    detector = make(Protocol("five_crops", 32))
    pieces = cut(image, owner=0, protocol=detector.protocol)
    logits = detector.score([piece.pixels for piece in pieces], crop=32)
    np.testing.assert_allclose(detector.score([image]), [logits.mean()], atol=1e-5)


@pytest.mark.parametrize(
    ("count", "longest"), [(30, 250), pytest.param(200, 700, marks=pytest.mark.slow)]
)
def test_images_of_all_sizes_compile_a_dozen_programs(count, longest):
    detector, rng, compiled = make(Protocol("full")), np.random.default_rng(0), []
    detector.warm_up(crop=32)  # the crop of another protocol does not count
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: compiled.append(event)
        if event == "/jax/core/compile/backend_compile_duration" else None
    )  # fmt: skip
    logits = []
    for _ in range(count):
        height, width = np.exp(rng.uniform(np.log(16), np.log(longest), 2)).astype(int)
        width = min(width, MAX_WHOLE_PIXELS // height)
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        logits.append(detector.score(image)[0])
    assert 1 < len(compiled) <= 12
    assert np.isfinite(logits).all()
