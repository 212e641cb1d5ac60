"""One tower in files of several forms: all start the run that asks for one of them."""

import dataclasses
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import jaxdet
from jaxdet.config import Augment, Config, Model
from jaxdet.convert.__main__ import main
from jaxdet.convert.fit import fitted
from jaxdet.convert.rules import to_torch
from jaxdet.convert.spellings import PROBE_TABLES
from jaxdet.convert.torch_write import write_torch
from jaxdet.errors import UserError
from jaxdet.models.detector import get_detector
from jaxdet.models.towers import read_tower
from jaxdet.runtime.mesh import make_mesh
from jaxdet.train.start import initial_variables
from jaxdet.train.weights import find_run
from tests.convert.small_towers import KINDS, SMALL, spelled
from tests.golden import torchvision

SIDE = 28


def config_of(tower, init, **model):
    model = {"name": "linear_probe", "tune": "head", **model}
    side = read_tower(tower).size
    return Config(model=Model(tower=tower, init=str(init), **model), augment=Augment(crop=side))


def start(config):
    detector = get_detector(config.model)
    return detector, initial_variables(config, detector, make_mesh(1))


@pytest.mark.parametrize("name", ["linear_probe", "knn"])
@pytest.mark.parametrize("spelling", ["open_clip", "transformers_clip"])
def test_a_run_without_the_projection_starts_from_the_usual_file_of_clip(
    spelling, name, tmp_path, capsys
):
    model, arrays, source = spelled(spelling, head=False)
    save_file(source, tmp_path / "w.safetensors")
    told = ["--activation=quick_gelu", "--heads=2"]
    main(["to-jax", *told, str(tmp_path / "w.safetensors"), str(tmp_path / "jax")])
    plain = dataclasses.replace(read_tower(model.tower), projection=0)
    detector, variables = start(config_of(plain.text, tmp_path / "jax", name=name))
    assert "its projection to 6 features is left out: 8 are taken" in capsys.readouterr().err
    images = torchvision.images(2, plain.size)
    seen = np.asarray(detector.features(variables, images))
    projected = jaxdet.load_tower(tmp_path / "jax").features(images)
    kernel = arrays["params/vit/projection/kernel"]
    np.testing.assert_allclose(seen @ kernel, projected, atol=2e-5)
    # Of another width it is another tower.
    with pytest.raises(UserError, match=r"holds a linear_probe on .*projection=6"):
        start(config_of(dataclasses.replace(plain, projection=7).text, tmp_path / "jax"))


def test_a_released_head_of_the_unprojected_width_leaves_the_projection_out(tmp_path, capsys):
    model, _, source = spelled("open_clip", head=False)
    save_file(source, tmp_path / "clip.safetensors")
    head = {"fc.weight": np.ones((1, 8), "f4"), "fc.bias": np.zeros(1, "f4")}
    write_torch(tmp_path / "head.pth", head)
    told = [f"--tower={tmp_path / 'clip.safetensors'}", "--activation=quick_gelu", "--heads=2"]
    main(["to-jax", *told, "--normalise", str(tmp_path / "head.pth"), str(tmp_path / "jax")])
    assert "projection to 6 features is left out" in capsys.readouterr().out
    images = torchvision.images(2, read_tower(model.tower).size)
    detector, tower = jaxdet.load_detector(tmp_path / "jax"), jaxdet.load_tower(tmp_path / "jax")
    features = tower.features(images)
    assert features.shape == (2, 8)
    expected = (features / np.linalg.norm(features, axis=1, keepdims=True)).sum(axis=1)
    np.testing.assert_allclose(detector.score(images), expected, atol=1e-5)


def test_facts_from_which_no_feature_follows_do_not_part_a_tower_from_its_preset(tmp_path, capsys):
    tower = read_tower(f"{KINDS['timm_dinov3']},qkv_bias=none,size=32")
    assert tower.size == 32
    rng, places = np.random.default_rng(0), spelled("timm_dinov3", head=False)[1]
    arrays = {
        place: rng.normal(0, 1, value.shape).astype(np.float32)
        for place, value in places.items()
        if not place.endswith(("/q/bias", "/v/bias"))
    }
    save_file(to_torch(arrays, table=PROBE_TABLES["timm_dinov3"]), tmp_path / "w.safetensors")
    about = {"architecture": "vit_small_patch16_dinov3", "pretrained_cfg": {
        "input_size": [3, 32, 32], "interpolation": "bilinear"}}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(about))
    main(["to-jax", "--heads=2", str(tmp_path / "w.safetensors"), str(tmp_path / "jax")])
    asked = f"dinov3_b16:{SMALL},size=48"
    detector, variables = start(config_of(asked, tmp_path / "jax"))
    said = capsys.readouterr().err
    assert "mask_token=true, resize=bicubic, size=48, qkv_bias=no_key" in said
    images = torchvision.images(2, 48)
    plain = jaxdet.load_tower(tmp_path / "jax").features(images)
    np.testing.assert_allclose(detector.features(variables, images), plain, atol=1e-5)


def test_a_bias_that_is_not_zero_is_never_left_out():
    model, arrays, _ = spelled("transformers_dinov2", head=False)
    own = read_tower(model.tower)
    wanted = dataclasses.replace(own, qkv_bias="no_key")
    assert fitted(model, arrays, wanted, bare=True) == (model, arrays, ())
    zeroed = {p: a * 0 if p.endswith("/attn/k/bias") else a for p, a in arrays.items()}
    changed, kept, notes = fitted(model, zeroed, wanted, bare=True)
    assert read_tower(changed.tower) == wanted
    assert not any(place.endswith("/attn/k/bias") for place in kept)
    assert notes[0].endswith("with the same features: qkv_bias=no_key")


def test_a_trained_head_keeps_the_projection_it_was_trained_on():
    model, arrays, _ = spelled("open_clip")
    wanted = dataclasses.replace(read_tower(model.tower), projection=0)
    assert read_tower(fitted(model, arrays, wanted, bare=False)[0].tower).projection == 6


@pytest.mark.parametrize("linked", [False, True])
def test_a_folder_from_the_hub_is_a_tower_and_no_run(linked, tmp_path, capsys):
    source = spelled("transformers_vision", head=False)[2]
    folder, blobs = tmp_path / "snapshot", tmp_path / "blobs"
    for place in (folder, blobs):
        place.mkdir()
    about = {"model_type": "siglip_vision_model", "hidden_act": "gelu_pytorch_tanh",
             "num_attention_heads": 2, "image_size": 32}  # fmt: skip
    at = blobs if linked else folder
    save_file(source, at / "model.safetensors")
    (at / "config.json").write_text(json.dumps(about))
    if linked:
        for name in ("config.json", "model.safetensors"):
            (folder / name).symlink_to(blobs / name)
    tower = jaxdet.load_tower(folder)
    assert (tower.size, tower.tower.heads) == (32, 2)
    main(["to-jax", str(folder), str(tmp_path / "jax")])
    assert jaxdet.load_tower(tmp_path / "jax").digest == tower.digest
    detector, variables = start(config_of(tower.tower.text, folder))
    images = torchvision.images(1, 32)
    np.testing.assert_allclose(
        detector.features(variables, images), tower.features(images), rtol=1e-5, atol=1e-5
    )
    assert find_run(folder) == (None, None)
    if not linked:
        (folder / "metrics.jsonl").touch()
        assert find_run(folder)[0] is not None
