"""Heads that were released by themselves, on a tower: convert, load, predict."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

import jaxdet
from jaxdet.config import Model
from jaxdet.convert.__main__ import main
from jaxdet.convert.files import read_state_dict
from jaxdet.convert.heads import convert_head
from jaxdet.convert.load import LoadedWeights, load_weights
from jaxdet.convert.rules import flatten, nest
from jaxdet.convert.torch_write import write_torch
from jaxdet.convert.towers import head_options
from jaxdet.errors import UserError
from jaxdet.models.detector import get_detector
from jaxdet.predict.__main__ import main as predict
from tests.golden import torchvision
from tests.golden.towers import TOWERS, fill, state_dict

WIDTH, DEPTH, DIM = 128, 3, 64


def univfd():
    """As the released fc_weights.pth, for a tower with fewer features."""
    return {"weight": fill("weight", (1, DIM)), "bias": fill("bias", (1,))}


def rine(width=8, layers=2, depth=DEPTH, seen=WIDTH):
    """As the released model_2class_trainable.pth, whose width is 128 and whose layers are 4."""
    found = {"alpha": fill("alpha", (1, depth, width))}
    for projection, first in (("proj1", seen), ("proj2", width)):
        for layer in range(layers):
            key = f"{projection}.{1 + 3 * layer}"
            found[f"{key}.weight"] = fill(f"{key}.weight", (width, width if layer else first))
            found[f"{key}.bias"] = fill(f"{key}.bias", (width,))
    for number, outputs in ((0, width), (3, width), (6, 1)):
        found[f"head.{number}.weight"] = fill(f"head.{number}.weight", (outputs, width))
        found[f"head.{number}.bias"] = fill(f"head.{number}.bias", (outputs,))
    return found


@pytest.fixture
def tower(tmp_path):
    save_file(state_dict("open_clip_quick_gelu"), tmp_path / "clip.safetensors")
    return tmp_path / "clip.safetensors"


def tower_of(name):
    """A tower of which nothing but its sizes is there."""
    model = Model(name="linear_probe", tower=name)
    return LoadedWeights(model=model, variables={}, source="x")


def put_on(tower, head, folder, *more):
    write_torch(folder / "head.pth", head)
    told = [f"--tower={tower}", "--activation=quick_gelu", *more]
    main(["to-jax", *told, str(folder / "head.pth"), str(folder / "jax")])
    return folder / "jax"


def test_univfd_is_a_linear_layer_on_clip_s_embedding(tmp_path, tower):
    folder, head = put_on(tower, univfd(), tmp_path), univfd()
    images = torchvision.images(2, 56)
    features = jaxdet.load_tower(folder).features(images)
    expected = TOWERS["open_clip_quick_gelu"]["features"]
    np.testing.assert_allclose(features[:, :16], expected, atol=2e-5)
    logits = jaxdet.load_detector(folder).score(images)
    np.testing.assert_allclose(logits, features @ head["weight"][0] + head["bias"], atol=1e-5)


def test_a_head_says_by_an_option_alone_that_features_are_normalised(tmp_path, tower, capsys):
    head = univfd()
    folder = put_on(tower, head, tmp_path, "--normalise")
    assert "--normalise" not in capsys.readouterr().out
    main(["to-torch", str(folder), str(tmp_path / "w.pth")])
    main(["to-jax", "--normalise", str(tmp_path / "w.pth"), str(tmp_path / "again")])
    images = torchvision.images(2, 56)
    features = jaxdet.load_tower(folder).features(images)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    for place in (folder, tmp_path / "again"):
        logits = jaxdet.load_detector(place).score(images)
        np.testing.assert_allclose(logits, features @ head["weight"][0] + head["bias"], atol=1e-5)
    (tmp_path / "plain").mkdir()
    plain = put_on(tower, head, tmp_path / "plain")
    assert "features are taken as they are" in capsys.readouterr().out
    main(["to-torch", str(plain), str(tmp_path / "p.pth")])
    refused = (
        [tmp_path / "p.pth", "p.pth.json says that features are not"],
        [tower, "holds no head of linear_pr"],
    )
    for source, says in refused:
        line = ["to-jax", "--normalise", "--activation=quick_gelu", str(source)]
        with pytest.raises(SystemExit):
            main([*line, str(tmp_path / "no")])
        assert re.search(says, capsys.readouterr().err)


def test_rine_s_head_is_known_by_its_keys_and_predicts(tmp_path, tower, capsys):
    folder = put_on(tower, rine(), tmp_path)
    model = load_weights(folder).model
    assert (model.name, model.width, model.projection_layers) == ("rine", 8, 2)
    Image.fromarray(torchvision.images(1, 56)[0]).save(tmp_path / "a.png")
    out = tmp_path / "rows.json"
    predict([f"--weights={folder}", f"--json={out}", str(tmp_path / "a.png")])
    (row,) = json.loads(out.read_text())
    logit = jaxdet.load_detector(folder).score(torchvision.images(1, 56))[0]
    assert row["logit"] == pytest.approx(logit, abs=1e-5)
    main(["to-torch", str(folder), str(tmp_path / "whole.pth")])
    whole = {**state_dict("open_clip_quick_gelu"), **rine()}
    found = read_state_dict(tmp_path / "whole.pth")
    assert found.keys() == whole.keys()
    assert all(found[key].tobytes() == value.tobytes() for key, value in whole.items())
    # A detector has a tower, too.
    write_torch(tmp_path / "fc.pth", univfd())
    main(["to-jax", f"--tower={folder}", str(tmp_path / "fc.pth"), str(tmp_path / "other")])
    assert load_weights(tmp_path / "other").model.name == "linear_probe"


@pytest.mark.parametrize("head", [univfd, rine])
def test_a_detector_on_a_tower_is_exported(head, tmp_path, tower):
    folder = put_on(tower, head(), tmp_path)
    main(["export", str(folder), str(tmp_path / "program")])
    card = json.loads((tmp_path / "program" / "card.json").read_text())
    assert card["check"]["largest_logit_difference"] < 1e-4


def test_a_file_with_a_card_is_taken_to_another_size(tmp_path, tower):
    folder = put_on(tower, univfd(), tmp_path)
    main(["to-torch", str(folder), str(tmp_path / "w.pth")])
    main(["to-jax", "--size=28", str(tmp_path / "w.pth"), str(tmp_path / "small")])
    detector = jaxdet.load_detector(tmp_path / "small")
    assert np.isfinite(detector.score(torchvision.images(2, 28))).all()
    assert detector.protocol.crop == 28


@pytest.mark.parametrize("head", [univfd, rine])
def test_what_dataparallel_puts_into_a_head_s_keys_is_taken_off(head, tmp_path, tower):
    write_torch(tmp_path / "w.pth", {f"module.{key}": value for key, value in head().items()})
    seen = load_weights(tower, facts={"activation": "quick_gelu"}, headless=True)
    file = convert_head(tmp_path / "w.pth", seen, arch=None, state_dict=None)
    plain = put_on(tower, head(), tmp_path)
    assert file.converted.arrays.keys() == flatten(load_weights(plain).variables).keys()
    assert file.notes[0] == "taken off the keys: module."


def test_rine_s_released_sizes_are_taken():
    options = head_options("rine", rine(width=128, layers=4, depth=24, seen=1024))
    assert options == {"width": 128, "projection_layers": 4}


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (rine(depth=4), r"alpha has shape \(1, 4, 8\), not \(1, 3, 8\)"),
        (rine(seen=64), r"proj1.1.weight has shape \(8, 64\), not \(8, 128\)"),
        ({k: v for k, v in rine().items() if k != "head.3.bias"}, "missing: head.3.bias"),
        ({"weight": np.zeros((1, 9), "f4"), "bias": np.zeros(1, "f4")}, r"\(1, 9\), not \(1, 64\)"),
        ({"a": np.zeros(1, "f4")}, "not the head of linear_probe or rine alone"),
    ],
)
def test_a_head_of_another_tower_is_refused(tmp_path, tower, head, says, capsys):
    with pytest.raises(SystemExit):
        put_on(tower, head, tmp_path)
    assert re.search(says, capsys.readouterr().err)


def test_a_head_alone_says_what_to_do(tmp_path):
    for head in (univfd(), rine()):
        write_torch(tmp_path / "head.pth", head)
        with pytest.raises(UserError, match="a head alone; put it on its tower with"):
            load_weights(tmp_path / "head.pth")


def test_univfd_s_released_head_gives_pytorch_s_logits():
    file = torchvision.FOLDER / "univfd_fc_weights.pth"
    arrays = convert_head(file, tower_of("clip_l14"), arch=None, state_dict=None).converted.arrays
    seen = np.random.default_rng([1, 11]).normal(0, 1, (4, 768)).astype(np.float32)
    network = get_detector(Model(name="linear_probe")).network
    logits = network.apply(nest(arrays), seen, train=False, method="score")
    # torch 2.13, in float64.
    expected = [-16.2049924, -2.5933796, -12.4370558, 0.6971058]
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_rine_s_released_head_gives_pytorch_s_logits():
    file = torchvision.FOLDER / "rine_2class_trainable.pth"
    found = convert_head(file, tower_of("clip_l14"), arch=None, state_dict=None)
    model = found.network.model
    assert (model.name, model.width, model.projection_layers) == ("rine", 128, 4)
    seen = np.sin(np.arange(1, 4 * 24 * 1024 + 1)).reshape(4, 24, 1024).astype(np.float32)
    network = get_detector(model).network
    logits = network.apply(nest(found.converted.arrays), seen, train=False, method="score")
    # torch 2.13, in float64.
    expected = [1.0302495, 1.9239358, 1.3334500, 1.3176189]
    np.testing.assert_allclose(logits, expected, atol=1e-5)
