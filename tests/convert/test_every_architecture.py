"""Each architecture, from each kind of file, through each subcommand."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxdet.config import Model
from jaxdet.convert.__main__ import main
from jaxdet.convert.architectures import TABLES, shapes
from jaxdet.convert.files import read_state_dict
from jaxdet.convert.rules import to_torch
from jaxdet.convert.torch_write import write_torch
from tests.convert.stream import write_stream

WRITERS = {
    "zip.pth": write_torch,
    "stream.pth": write_stream,
    "plain.safetensors": lambda path, state: save_file(dict(state), path),
}


# Small networks of other kinds.
OTHERS = ("npr", "dct_log_resnet18", "dcgan", "cooccurrence", "forensic_transfer")
# Side of the crops of networks that take one side alone, in pixels.
SIDE = 32


def state_dict(name):
    rng = np.random.default_rng(0)

    def fill(place, shape):
        if place.endswith("kernel"):
            return rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
        return rng.uniform(0.3, 0.9, shape)

    found = shapes(Model(name=name, width=4), side=SIDE)
    arrays = {p: np.asarray(fill(p, shape), np.float32) for p, shape in found.items()}
    return to_torch(arrays, table=TABLES[name])


@pytest.mark.parametrize(
    ("name", "file"),
    [(name, "zip.pth") for name in TABLES]
    + [(name, file) for name in ("resnet18", "vgg11_bn") for file in WRITERS if file != "zip.pth"],
)
def test_there_and_back_bit_by_bit(name, file, tmp_path):
    source, back = state_dict(name), tmp_path / f"back-{file}"
    WRITERS[file](tmp_path / file, source)
    main(["to-jax", f"--arch={name}", str(tmp_path / file), str(tmp_path / "jax")])
    main(["to-torch", str(tmp_path / "jax"), str(back)])
    found = read_state_dict(back)
    assert list(found) == list(source) or file.endswith("safetensors")
    assert found.keys() == source.keys()
    for key, value in source.items():
        assert found[key].dtype == value.dtype
        assert found[key].tobytes() == value.tobytes()


# Published files: torchvision's names, and fc1 of NPR's repository (networks/resnet.py).
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("npr", {"conv1.weight", "layer1.0.downsample.0.weight", "layer2.3.bn3.running_var",
                 "fc1.weight", "fc1.bias"}),
        ("resnet50_nodown", {"conv1.weight", "layer4.2.conv3.weight", "fc.weight", "fc.bias"}),
        ("spectrum_resnet34", {"layer3.5.bn2.weight", "fc.weight"}),
        ("dct_log_resnet18", {"network.conv1.weight", "scaler.mean", "scaler.count"}),
        ("dcgan", {"conv3.weight", "bn3.running_mean", "fc.weight"}),
        ("cooccurrence", {"conv2_5.bias", "fc1.weight", "fc2.weight"}),
        ("forensic_transfer", {"encoder.4.weight", "decoder.3.bias", "last.weight"}),
    ],
)  # fmt: skip
def test_the_names_in_a_file_are_those_that_are_documented(name, keys):
    found = state_dict(name)
    assert keys <= found.keys()
    assert ("layer3.0.conv1.weight" in found) == (name in ("resnet50_nodown", "spectrum_resnet34"))


def test_a_dense_layer_behind_a_map_of_any_side_reads_it_in_torch_s_order():
    arrays = {"params/conv3/kernel": np.zeros((4, 4, 16, 32), "f4"),
              "params/fc/kernel": np.arange(2 * 2 * 32, dtype="f4")[:, None]}  # fmt: skip
    kernel = to_torch(arrays, table=TABLES["dcgan"])["fc.weight"].reshape(1, 32, 2, 2)
    channel, row, column = 5, 1, 0
    assert kernel[0, channel, row, column] == (row * 2 + column) * 32 + channel


@pytest.mark.parametrize("name", ["resnet18", "vgg11", *OTHERS])
def test_check_and_export_agree_with_the_source(name, tmp_path):
    source, folder, program = (tmp_path / n for n in ("w.safetensors", "jax", "program"))
    save_file(state_dict(name), source)
    main(["to-jax", str(source), str(folder)])
    main(["check", "--size=32", "--images=2", str(source), str(folder)])
    noted = json.loads((folder / "coverage.json").read_text())["check"]
    assert noted["largest_logit_difference"] == 0
    assert noted["images"] == 2
    main(["export", "--size=32", str(folder), str(program)])
    assert (
        json.loads((program / "card.json").read_text())["check"]["largest_logit_difference"] < 1e-4
    )
    main(["check", "--size=32", "--images=3", str(source), str(program)])
    assert json.loads((program / "card.json").read_text())["check"]["images"] == 3


@pytest.mark.parametrize(("command", "other"), [("check", "w.safetensors"), ("export", "program")])
def test_a_network_of_one_side_takes_no_other(command, other, tmp_path, capsys):
    source = tmp_path / "w.safetensors"
    save_file(state_dict("dcgan"), source)
    with pytest.raises(SystemExit) as stopped:
        main([command, "--size=64", str(source), str(tmp_path / other)])
    assert stopped.value.code == 2
    assert "its dcgan takes images of 32 pixels alone, not 64" in capsys.readouterr().err


def test_a_check_that_fails_is_noted_too(tmp_path):
    source, other, folder = (tmp_path / n for n in ("w.safetensors", "o.safetensors", "jax"))
    save_file(state_dict("resnet18"), source)
    changed = state_dict("resnet18")
    changed["fc.bias"] = changed["fc.bias"] + np.float32(1)
    save_file(changed, other)
    main(["to-jax", str(source), str(folder)])
    with pytest.raises(SystemExit) as stopped:
        main(["check", "--size=32", str(other), str(folder)])
    assert stopped.value.code == 1
    noted = json.loads((folder / "coverage.json").read_text())["check"]
    assert noted["largest_logit_difference"] == pytest.approx(1)


@pytest.mark.parametrize("content", ['{"mine": 1}', "[1, 2]"])
def test_a_file_of_the_user_beside_weights_is_left_alone(tmp_path, content):
    weights = tmp_path / "w.safetensors"
    save_file(state_dict("resnet18"), weights)
    beside = tmp_path / "w.safetensors.json"
    beside.write_text(content)
    main(["check", "--size=32", str(weights), str(weights)])
    assert beside.read_text() == content


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["--checkpoint=latest", "w.pth", "jax"], "--checkpoint=latest: neither side is a run"),
        (["--arch=resnet18", "jax", "jax"], "--arch=resnet18: neither side is a file"),
        (["--state-dict=ema", "jax", "w.pth"], "--state-dict=ema: chooses within a file, and jax"),
    ],
)
def test_check_refuses_an_option_that_no_side_takes(tmp_path, monkeypatch, capsys, line, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jax").mkdir()
    with pytest.raises(SystemExit) as stopped:
        main(["check", *line])
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err


def test_to_torch_overwrites_no_file_of_the_user_beside_its_own(tmp_path, capsys):
    save_file(state_dict("resnet18"), tmp_path / "w.safetensors")
    (tmp_path / "new.pth.json").write_text("mine")
    with pytest.raises(SystemExit) as stopped:
        main(["to-torch", str(tmp_path / "w.safetensors"), str(tmp_path / "new.pth")])
    assert stopped.value.code == 2
    assert "new.pth.json: exists already" in capsys.readouterr().err
    assert (tmp_path / "new.pth.json").read_text() == "mine"
    assert not (tmp_path / "new.pth").exists()
