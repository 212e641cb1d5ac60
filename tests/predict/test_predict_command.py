import csv
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

import jaxdet
from jaxdet.config import Model
from jaxdet.convert.card import Card
from jaxdet.models.detector import get_detector
from jaxdet.predict import LoadedDetector
from jaxdet.predict.__main__ import CSV, JSON
from jaxdet.predict.rows import Scoring, score_files
from jaxdet.scoring.protocol import Protocol
from jaxdet.workdir.files import check_writable
from tests.golden import torchvision

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def detector():
    model = Model(name="resnet18", width=8, zero_init_residual=False)
    init = jax.jit(get_detector(model).init, static_argnames="size")
    variables = init(jax.random.key(0), size=32)
    return LoadedDetector(model, variables, card=Card(protocol=Protocol(crop=64)))


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    sizes = [(64, 64), (33, 90), (150, 40), (64, 64), (8, 8), (97, 97), (64, 64)]
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


@pytest.mark.parametrize("crop", ["none", "tiles", 48])
def test_scores_do_not_depend_on_order_or_neighbours(detector, images, crop):
    together = detector.score(images, crop=crop)
    alone = [detector.score([image], crop=crop)[0] for image in images]
    backwards = detector.score(images[::-1], crop=crop)[::-1]
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(together, backwards, atol=1e-5, rtol=1e-5)
    assert np.ptp(together) > 1e-3


def test_an_array_and_a_list_score_alike(detector, images):
    batch = np.stack([images[0], images[3]])
    assert np.array_equal(detector.score(batch), detector.score(list(batch)))
    assert detector.score([]).shape == (0,)


@pytest.mark.parametrize("wrong", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8),
                                   np.zeros((0, 4, 3), np.uint8)])  # fmt: skip
def test_what_is_no_image_is_refused(detector, wrong):
    with pytest.raises(ValueError, match="uint8"):
        detector.score([wrong])


def write_odd_images(folder):
    """One file of every kind that users have, and three that are none."""
    folder.mkdir()
    rgb = Image.fromarray(np.random.default_rng(1).integers(0, 256, (70, 90, 3), dtype=np.uint8))
    grey16 = np.random.default_rng(2).integers(0, 65536, (70, 90), dtype=np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    rgb.save(folder / "a_rgb.png")
    rgb.convert("L").save(folder / "b_grey.png")
    rgb.quantize(32).save(folder / "c_palette.png")
    rgb.convert("RGBA").save(folder / "d_alpha.png")
    rgb.convert("CMYK").save(folder / "e_cmyk.jpg")
    Image.fromarray(grey16).save(folder / "f_grey16.png")
    rgb.save(folder / "g_rotated.jpg", exif=exif)
    rgb.save(folder / "h_animated.gif", save_all=True, append_images=[rgb.rotate(90)])
    rgb.resize((9, 5)).save(folder / "i_tiny.webp")
    (folder / "j_text.png").write_text("no image")
    (folder / "k_half.png").write_bytes((folder / "a_rgb.png").read_bytes()[:3000])
    (folder / "l_empty.jpg").touch()
    return sorted(folder.iterdir())


def test_every_odd_file_has_its_row(detector, tmp_path):
    paths = write_odd_images(tmp_path / "odd")
    rows = score_files(detector, paths, Scoring.of(detector, crop="none"))
    assert [row["path"] for row in rows] == [str(path) for path in paths]
    assert [Path(row["path"]).name[0] for row in rows if "error" in row] == ["j", "k", "l"]
    good = [row for row in rows if "error" not in row]
    for row in good:
        assert row["probability"] == pytest.approx(1 / (1 + np.exp(-row["logit"])))
        assert row["prediction"] == ("fake" if row["logit"] > 0 else "real")
    sixteen = np.asarray(Image.open(paths[5]), np.float64)
    eight = np.clip(sixteen / 257 + 0.5, 0, 255).astype(np.uint8)
    expected = detector.score([np.repeat(eight[..., None], 3, axis=2)], crop="none")[0]
    assert rows[5]["logit"] == pytest.approx(float(expected), abs=1e-5)


def test_images_are_turned_where_asked(detector, images, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("png", "tif"):
        Image.fromarray(images[0]).save(tmp_path / f"a.{kind}", exif=exif)
    paths = sorted(tmp_path.iterdir())
    turned = np.ascontiguousarray(np.rot90(images[0], -1))
    for choice, expected in (("ignore", images[0]), ("apply", turned)):
        rows = score_files(detector, paths, Scoring.of(detector, crop=48, exif=choice))
        logit = pytest.approx(float(detector.score([expected], crop=48)[0]), abs=1e-5)
        assert [row["logit"] for row in rows] == [logit, logit]
    stored = score_files(detector, paths, Scoring.of(detector, crop=48))
    assert rows[0]["logit"] != pytest.approx(stored[0]["logit"])


def test_a_logit_that_is_no_number_is_told_and_not_called_real(images, tmp_path):
    model = Model(name="resnet18", width=4)
    variables = jax.tree.map(
        lambda leaf: np.full(leaf.shape, np.nan, np.float32),
        jax.eval_shape(lambda: get_detector(model).init(jax.random.key(0), size=32)),
    )
    Image.fromarray(images[0]).save(tmp_path / "a.png")
    detector = LoadedDetector(model, variables)
    (row,) = score_files(detector, [tmp_path / "a.png"], Scoring.of(detector, crop=32))
    assert row["error"].startswith("its logit is nan")


def test_threshold_moves_the_verdict_and_not_the_score(detector, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(torchvision.images(1, 64)[0]).save(path)
    low, high = (
        score_files(detector, [path], Scoring.of(detector, threshold=t))[0] for t in (0.0, 1.0)
    )
    assert low["logit"] == high["logit"]
    assert (low["prediction"], high["prediction"]) == ("fake", "real")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(torchvision.state_dict("resnet18"), path)
    return path


def predict(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "jaxdet.predict", *map(str, arguments)],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_the_command_gives_torchvision_s_logits_and_one_row_a_file(weights, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number, pixels in enumerate(torchvision.images(2, 224)):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "2.png").write_text("no image")
    (folder / "notes.txt").write_text("no image either, and not asked about")
    status, out, err = predict(
        f"--weights={weights}", f"--json={tmp_path / 'o.json'}", f"--csv={tmp_path / 'o.csv'}",
        "--crop=none", folder,
    )  # fmt: skip
    assert status == 1, err
    rows = json.loads((tmp_path / "o.json").read_text())
    assert [row["path"] for row in rows] == [str(folder / f"{i}.png") for i in range(3)]
    expected = torchvision.load("torchvision_seed1.json")["resnet18_224"]
    np.testing.assert_allclose([row["logit"] for row in rows[:2]], expected, atol=1e-4)
    assert set(rows[2]) == {"path", "error"}
    table = list(csv.DictReader((tmp_path / "o.csv").open()))
    assert [row["error"] != "" for row in table] == [False, False, True]
    assert all(f"{i}.png" in out for i in range(3))
    # They may be replaced.
    check_writable((tmp_path / "o.json", JSON), (tmp_path / "o.csv", CSV))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["x.png"], "--weights"),
        (["--weights=none.pth", "pyproject.toml"], "none.pth"),
        (["--weights=README.md", "nowhere.png"], "nowhere.png: no such file"),
        (["--weights=README.md", "--crop=0", "README.md"], "--crop=0"),
        (["--weights=README.md", "--threshold=2", "README.md"], "--threshold=2"),
        (["--weights=README.md", "tests/predict"], "holds no image files"),
    ],
)
def test_mistakes_end_in_one_line(arguments, says):
    status, out, err = predict(*arguments)
    assert status == 2, err
    assert "Traceback" not in out + err
    assert err.splitlines()[-1].startswith("error: ")
    assert says in err.splitlines()[-1]


def test_the_python_call_is_the_same_function(weights):
    scores = jaxdet.load_detector(weights).score(torchvision.images(2, 224))
    expected = torchvision.load("torchvision_seed1.json")["resnet18_224"]
    np.testing.assert_allclose(scores, expected, atol=1e-4)


# Tells the peak of its own memory: what a parent sees counts the parent's too, from before exec.
MEASURED = """
import sys
from jaxdet.predict.__main__ import main
try:
    main(sys.argv[2:])
finally:
    with open("/proc/self/status") as status, open(sys.argv[1], "w") as out:
        out.write(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("crop", ["224", pytest.param("none", marks=pytest.mark.slow)])
def test_odd_files_and_forty_megapixels_fit_in_two_gibibytes(tmp_path, crop):
    paths = write_odd_images(tmp_path / "odd")
    rows = np.random.default_rng(3).integers(0, 256, (8, 8000, 3), dtype=np.uint8)
    Image.fromarray(np.tile(rows, (625, 1, 1))).save(tmp_path / "odd/m_40_megapixels.png")
    save_file(torchvision.state_dict("resnet50"), tmp_path / "w.safetensors")
    out = tmp_path / "o.json"
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, tmp_path / "peak", f"--weights={tmp_path}/w.safetensors",
         "--arch=resnet50", f"--crop={crop}", f"--json={out}", tmp_path / "odd"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    peak = int((tmp_path / "peak").read_text()) / 1024
    answers = json.loads(out.read_text())
    assert len(answers) == len(paths) + 1
    assert "logit" in answers[-1]
    print(f"peak memory {peak:.0f} MiB with --crop={crop}")
    assert peak < 2048
