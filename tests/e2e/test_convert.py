"""The convert command, as a user calls it."""

import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxdet.config import Model
from jaxdet.conversion.commands import JSON
from jaxdet.convert.__main__ import main
from jaxdet.convert.architectures import TABLES, shapes
from jaxdet.convert.files import read_state_dict
from jaxdet.convert.rules import to_torch
from jaxdet.convert.torch_write import write_torch
from jaxdet.workdir.files import check_writable
from tests.conftest import exit_status
from tests.e2e.conftest import main_arguments
from tests.golden import torchvision

MODEL = Model(name="resnet18", width=8)


def state_dict(model=MODEL, **changes):
    rng = np.random.default_rng(0)
    ours = {place: fill(rng, place, shape) for place, shape in shapes(model).items()}
    return {**to_torch(ours, table=TABLES[model.name]), **changes}


def fill(rng, place, shape):
    """Values that keep the logits near 1."""
    if place.endswith("kernel"):
        return rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape).astype(np.float32)
    return rng.uniform(0.3, 0.9, shape).astype(np.float32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "w.pth"
    write_torch(path, state_dict())
    return path


@pytest.fixture(scope="module")
def convert(finish):
    return lambda *arguments: finish("jaxdet.convert", *arguments)


@pytest.fixture(scope="module")
def folder(convert, weights):
    folder = weights.with_name("jax")
    status, _, err = convert("to-jax", "--arch=resnet18", weights, folder)
    assert status == 0, err
    return folder


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_there_and_back_gives_the_same_file(convert, folder, tmp_path, suffix):
    back = tmp_path / f"back{suffix}"
    status, _, err = convert("to-torch", folder, back)
    assert status == 0, err
    found, expected = read_state_dict(back), state_dict()
    assert found.keys() == expected.keys()
    assert all(found[key].tobytes() == expected[key].tobytes() for key in expected)
    report = json.loads((tmp_path / f"back{suffix}.json").read_text())
    assert {line["key"] for line in report["written"]} == set(expected)
    assert report["source"]["file"] == "w.pth"


def test_the_folder_says_what_it_holds_and_where_from(folder):
    about = json.loads((folder / "detector.json").read_text())
    assert about["kind"] == "jaxdet-detector"
    assert about["model"]["name"] == "resnet18"
    assert about["model"]["width"] == 8
    assert about["source"]["file"] == "w.pth"
    coverage = json.loads((folder / "coverage.json").read_text())
    assert len(coverage["used"]) + len(coverage["ignored"]) == len(state_dict())


def test_check_tells_equal_from_different(convert, weights, folder, tmp_path):
    status, out, err = convert("check", weights, folder, "--size=64", f"--json={tmp_path / 'c'}")
    assert status == 0, err
    assert "arrays with the same bits: 102 of 102" in out
    assert json.loads((tmp_path / "c").read_text())["largest_logit_difference"] == 0
    check_writable((tmp_path / "c", JSON))  # may be replaced
    changed = state_dict()
    changed["layer1.0.conv1.weight"][0, 0, 0, 0] += 1e-3
    save_file(changed, tmp_path / "other.safetensors")
    status, out, err = convert("check", tmp_path / "other.safetensors", folder, "--size=64")
    assert status == 1
    assert "params/layer1_0/conv1/kernel: largest difference 0.001" in out
    assert err.splitlines()[-1].endswith("differ")


@pytest.mark.slow
def test_a_head_of_another_size_is_told(convert, tmp_path):
    head = {"fc.weight": np.zeros((9, 64), np.float32), "fc.bias": np.zeros(9, np.float32)}
    write_torch(tmp_path / "w.pth", state_dict(**head))
    status, out, err = convert("to-jax", tmp_path / "w.pth", tmp_path / "jax")
    assert status == 0, err
    assert "params/fc/bias, params/fc/kernel left open" in out
    for command, source in (("to-torch", "jax"), ("export", "jax"), ("export", "w.pth")):
        status, _, err = convert(command, tmp_path / source, tmp_path / "out.pth")
        assert status == 2
        assert "without values for params/fc/bias, params/fc/kernel" in err


# Scores images with an exported detector, with nothing of jaxdet in reach.
ALONE = """
import sys, numpy, jax.export
program, images, logits = sys.argv[1:]
detector = jax.export.deserialize(bytearray(open(program, "rb").read()))
images = numpy.load(images)
alone = numpy.concatenate([detector.call(image[None]) for image in images])
numpy.save(logits, [detector.call(images), alone])
assert not [name for name in sys.modules if name.split(".")[0] in ("jaxdet", "flax")]
"""


@pytest.mark.slow
def test_an_exported_program_gives_torchvision_s_logits_with_jax_alone(convert, tmp_path):
    save_file(torchvision.state_dict("resnet18"), tmp_path / "w.safetensors")
    program = tmp_path / "program"
    status, _, err = convert("export", tmp_path / "w.safetensors", program)
    assert status == 0, err
    np.save(tmp_path / "images.npy", torchvision.images(2, 224))
    subprocess.run(
        [sys.executable, "-c", ALONE, program / "detector.stablehlo", "images.npy", "logits.npy"],
        check=True, cwd=tmp_path, timeout=300,
    )  # fmt: skip
    expected = torchvision.load("torchvision_seed1.json")["resnet18_224"]
    together, alone = np.load(tmp_path / "logits.npy")
    np.testing.assert_allclose(together, expected, atol=1e-4)
    np.testing.assert_allclose(alone, expected, atol=1e-4)
    status, _, err = convert("check", tmp_path / "w.safetensors", program)
    assert status == 0, err
    card = json.loads((program / "card.json").read_text())
    assert card["input"]["shape"] == ["b", 224, 224, 3]
    assert card["platforms"] == ["cpu", "cuda", "tpu"]


@pytest.mark.slow
def test_a_run_goes_to_torch_and_starts_another(finish, convert, dataset, tmp_path):
    # VGG-11 has no statistics: the emptiest state that a checkpoint holds.
    run = main_arguments(dataset, tmp_path / "run", task="train", model__name="vgg11",
                         augment__crop=32, optim__max_epochs=1)  # fmt: skip
    status, _, err = finish("jaxdet.main", *run)
    assert status == 0, err
    weights = tmp_path / "run.safetensors"
    status, _, err = convert("to-torch", tmp_path / "run", weights)
    assert status == 0, err
    status, _, err = convert("check", weights, tmp_path / "run", "--size=32")
    assert status == 0, err
    again = main_arguments(dataset, tmp_path / "eval", task="eval", model__name="vgg11",
                           augment__crop=32, model__init=weights)  # fmt: skip
    status, _, err = finish("jaxdet.main", *again)
    assert status == 0, err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "required: COMMAND"),
        (["to-jx", "a", "b"], "invalid choice: 'to-jx'"),
        (["to-jax", "a"], "required: DST"),
        (["to-jax", "none.pth", "b"], "none.pth: no such weight file"),
        (["to-jax", "--arch=alexnet", "{w}", "{t}/b"], "alexnet is not one of resnet18"),
        (["to-jax", "--arch=vgg11", "{w}", "{t}/b"], "not the weights of vgg11"),
        (["to-jax", "{t}", "{t}.b"], "a folder, not a weight file"),
        (["to-jax", "{w}", "{w}"], "w.pth: exists already"),
        (["to-torch", "{w}", "{t}/b.bin"], "name it .pth or .safetensors"),
        (["to-torch", "{w}", "{w}"], "w.pth: exists already"),
        (["check", "{w}", "{t}"], "neither a run, with config.json, nor converted weights"),
        (["check", "--size=0", "{w}", "{w}"], "--size: '0': give a whole number, at least 1"),
        (
            ["export", "--size=1000000", "{w}", "{t}/b"],
            "--size: '1000000': give a whole number",
        ),
        (["check", "--tolerance=nan", "{w}", "{w}"], "--tolerance: 'nan': give a number"),
        (["export", "{w}", "{t}"], "exists already"),
    ],
)
def test_mistakes_are_one_line(weights, tmp_path, capsys, arguments, says):
    filled = [text.format(w=weights, t=tmp_path) for text in arguments]
    before = [*weights.parent.iterdir(), *tmp_path.iterdir()]
    assert exit_status(main, *filled) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert says in err.splitlines()[-1]
    assert [*weights.parent.iterdir(), *tmp_path.iterdir()] == before
