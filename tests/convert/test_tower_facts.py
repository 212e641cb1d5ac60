"""What names and shapes do not say of a tower: by files beside it, its kind, its reader."""

import dataclasses
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import jaxdet
from jaxdet.config import Model
from jaxdet.convert import towers
from jaxdet.convert.__main__ import main
from jaxdet.convert.folder import Source, write_detector
from jaxdet.convert.kinds import family
from jaxdet.convert.load import convert_file, load_weights
from jaxdet.convert.rules import Coverage, to_torch
from jaxdet.convert.spellings import PROBE_TABLES
from jaxdet.convert.towers import check_facts
from jaxdet.errors import UserError
from jaxdet.models.towers import heads_of, read_tower
from jaxdet.scoring.protocol import Protocol
from jaxdet.train.weights import open_weights
from tests.convert.small_towers import SMALL, arrays_of, spelled
from tests.golden import torchvision
from tests.golden.towers import state_dict


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("config.json", {"model_type": "clip", "vision_config": {"hidden_act": "quick_gelu",
         "num_attention_heads": 4, "layer_norm_eps": 1e-6}},
         {"activation": "quick_gelu", "heads": 4, "epsilon": 1e-6}),
        ("config.json", {"model_type": "clip_vision_model"}, {"activation": "quick_gelu"}),
        ("config.json", {"architecture": "vit_base_patch16_clip_224", "pretrained_cfg": {
         "tag": "laion2b", "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear"}},
         {"activation": "gelu", "normalisation": "half", "resize": "bilinear"}),
        ("config.json", {"architecture": "vit_base_patch16_clip_224", "tag": "openai"},
         {"activation": "quick_gelu"}),
        ("open_clip_config.json", {"model_cfg": {"quick_gelu": True, "vision_cfg": {"width": 128,
         "head_width": 32}}, "preprocess_cfg": {"mean": [0, 0, 0], "std": [1, 1, 2]}},
         {"activation": "quick_gelu", "heads": 4,
          "normalisation": "0.0/0.0/0.0/1.0/1.0/2.0"}),
    ],
)  # fmt: skip
def test_what_lies_beside_a_file_counts(tmp_path, name, content, found):
    save_file(state_dict("hf_clip_gelu"), tmp_path / "w.safetensors")
    (tmp_path / name).write_text(json.dumps(content))
    told = {} if "activation" in found else {"activation": "gelu"}
    model = convert_file(tmp_path / "w.safetensors", facts=told).network.model
    tower = read_tower(model.tower)
    assert {key: getattr(tower, key) for key in found} == found


def test_preprocessing_beside_a_file_counts_and_others_json_does_not(tmp_path):
    save_file(state_dict("hf_clip_gelu"), tmp_path / "w.safetensors")
    (tmp_path / "config.json").write_text('{"mine": 1, "hidden_act": "quick_gelu"}')
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(half))
    file = convert_file(tmp_path / "w.safetensors", facts={"activation": "gelu"})
    tower = read_tower(file.network.model.tower)
    assert (tower.normalisation, tower.resize) == ("half", "bilinear")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"model_type": "clip", "hidden_act": "relu"}, "config.json: .*'relu' is none of gelu"),
        ({"model_type": "clip", "vision_config": 3}, "config.json: does not describe a tower"),
        ({"model_type": "clip", "num_attention_heads": "x"}, "config.json: .*'x' is no number"),
        ({"model_type": "clip", "hidden_act": "quick_gelu"}, "activation=gelu: .*has quick_gelu"),
        ({"model_type": "clip", "hidden_act": "gelu", "num_attention_heads": 3}, "heads=3"),
    ],
)
def test_what_lies_beside_a_file_and_does_not_fit_is_refused(tmp_path, content, says):
    save_file(state_dict("hf_clip_gelu"), tmp_path / "w.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=says):
        jaxdet.load_tower(tmp_path / "w.safetensors", "gelu")


def test_a_plain_vit_asks_for_its_normalisation(tmp_path):
    model = Model(name="linear_probe", tower=read_tower(f"augreg_b16:size=32,{SMALL}").text)
    source = to_torch(arrays_of(model), table=PROBE_TABLES["timm"])
    save_file(source, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="does not say how pixels are normalised"):
        convert_file(tmp_path / "w.safetensors", facts={"heads": 2})
    told = {"heads": 2, "normalisation": "half"}
    assert convert_file(tmp_path / "w.safetensors", facts=told).network.model == model


def saved(folder, source):
    save_file(source, folder / "w.safetensors")
    return folder / "w.safetensors"


def tower_of(path, **facts):
    return read_tower(convert_file(path, facts={"heads": 2, **facts}).network.model.tower)


@pytest.mark.parametrize("spelling", ["timm_dinov3", "timm_dinov3_swiglu"])
def test_a_head_on_timm_s_dinov3_takes_the_mean_of_the_patches(spelling, tmp_path):
    path = saved(tmp_path, spelled(spelling)[2])
    file = convert_file(path, facts={"heads": 2})
    assert "takes the mean of the patches" in file.notes[-1]
    assert read_tower(file.network.model.tower).pool == "mean"
    config = tmp_path / "config.json"
    config.write_text('{"architecture": "vit_small_patch16_dinov3", "global_pool": "token"}')
    assert tower_of(path).pool == "class"
    config.write_text('{"architecture": "vit_small_patch16_dinov3", "global_pool": "map"}')
    with pytest.raises(UserError, match=r"config\.json has global_pool=map, not token or avg"):
        tower_of(path)
    # By itself the tower gives its class token, whatever is beside it.
    assert tower_of(saved(tmp_path, spelled(spelling, head=False)[2])).pool == "class"


def test_the_pooling_of_another_timm_file_is_that_of_its_config(tmp_path):
    path = saved(tmp_path, spelled("timm")[2])
    assert tower_of(path).pool == "class"
    (tmp_path / "config.json").write_text('{"architecture": "vit", "global_pool": "avg"}')
    assert tower_of(path).pool == "mean"


def test_what_timm_does_is_a_field_of_the_spelling_whatever_its_name(monkeypatch):
    model, _, source = spelled("timm_dinov3")
    for name in ("SPELLINGS", "PROBE_TABLES"):
        table = getattr(towers, name)
        monkeypatch.setattr(towers, name, {"renamed": table["timm_dinov3"]})
    told = {"heads": 2, "size": 224}
    measured = towers.measure(model.name, "renamed", source, beside={}, told=told, source="w")
    assert read_tower(measured.tower).pool == "mean"


@pytest.mark.parametrize(
    ("spelling", "pool"),
    [("timm_dinov3", "class"), ("timm_dinov3", "mean"), ("transformers_dinov3", "mean")],
)
def test_a_probe_of_ours_keeps_its_pooling_there_and_back(spelling, pool, tmp_path):
    model, arrays, _ = spelled(spelling)
    tower = dataclasses.replace(read_tower(model.tower), pool=pool)
    folder = tmp_path / "jax"
    folder.mkdir()
    write_detector(
        folder, arrays, model=dataclasses.replace(model, tower=tower.text),
        source=Source(file="w", sha256=""), coverage=Coverage(used=(), ignored={}, replaced=()),
        spelling=spelling, crop=tower.size,
    )  # fmt: skip
    main(["to-torch", str(folder), str(tmp_path / "w.safetensors")])
    assert tower_of(tmp_path / "w.safetensors") == tower
    main(["to-jax", str(tmp_path / "w.safetensors"), str(tmp_path / "again")])
    first, second = (jaxdet.load_detector(place) for place in (folder, tmp_path / "again"))
    images = torchvision.images(1, tower.size)
    assert np.array_equal(first.score(images), second.score(images))


@pytest.mark.parametrize(
    "content",
    [
        {"model_type": "dinov3_vit", "rope_theta": 10000.0},
        {"model_type": "dinov3_vit", "rope_parameters": {"rope_theta": 10000.0}},
        {"architecture": "vit_small_patch16_dinov3", "model_args": {"rope_temperature": 10000.0}},
    ],
)
def test_another_base_of_the_rotation_is_refused(content, tmp_path):
    path = saved(tmp_path, state_dict("hf_dinov3"))
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"config.json: .*have the base 10000.0, and no tower"):
        tower_of(path)
    usual = {"model_type": "dinov3_vit", "rope_parameters": {"rope_theta": 100.0}}
    (tmp_path / "config.json").write_text(json.dumps(usual))
    assert tower_of(path).positions == "rotary"


@pytest.mark.parametrize(
    ("size", "outputs", "own"),
    [
        ({"size": 224}, 1, True),
        ({"size": 384}, 1, True),
        ({"size": 384}, 2, False),
        ({"size": 256}, 1, False),
        ({"size": 224, "width": 768}, 1, False),
        ({"size": 224, "depth": 24}, 1, False),
    ],
)
def test_community_forensics_alone_has_its_pixels_without_a_word(size, outputs, own):
    tower = dataclasses.asdict(read_tower("augreg_s16_384")) | size
    known = family(tower, "community_forensics", outputs)
    assert (known["normalisation"], known.get("resize")) == (
        ("imagenet", "bilinear") if own else (None, None)
    )


@pytest.mark.parametrize(("size", "shorter"), [(384, 440), (224, 256), (48, 0)])
def test_community_forensics_has_its_protocol_in_whatever_form_it_comes(size, shorter, tmp_path):
    tower = f"augreg_s16_384:{SMALL},normalisation=imagenet,resize=bilinear,size={size}"
    arrays = arrays_of(Model(name="linear_probe", tower=tower))
    path = saved(tmp_path, to_torch(arrays, table=PROBE_TABLES["community_forensics"]))
    main(["to-jax", "--heads=2", str(path), str(tmp_path / "jax")])
    own = Protocol(crop=size, resize=shorter)
    for place, facts in ((path, {"heads": 2}), (tmp_path / "jax", {})):
        assert open_weights(place, facts=facts)[1].protocol == own
    main(["to-torch", str(tmp_path / "jax"), str(tmp_path / "again.safetensors")])
    assert open_weights(tmp_path / "again.safetensors")[1].protocol == own
    main(["to-jax", "--heads=2", "--size=32", str(path), str(tmp_path / "small")])
    assert open_weights(tmp_path / "small")[1].protocol == Protocol(crop=32)


def test_a_folder_that_resizes_to_less_than_its_crop_is_refused(tmp_path):
    path = saved(tmp_path, spelled("community_forensics")[2])
    main(["to-jax", "--heads=2", str(path), str(tmp_path / "jax")])
    about = tmp_path / "jax" / "detector.json"
    about.write_text(about.read_text().replace('"resize": 0', '"resize": 31'))
    with pytest.raises(UserError, match=r"detector\.json: resizes images to 31 pixels"):
        load_weights(tmp_path / "jax")


def test_another_vit_under_its_name_asks_for_its_normalisation(tmp_path):
    path = saved(tmp_path, spelled("community_forensics", head=False)[2])
    with pytest.raises(UserError, match="does not say how pixels are normalised"):
        tower_of(path)
    assert tower_of(path, normalisation="half").resize == "bicubic"
    own = {"model_size": "small", "input_size": 384, "patch_size": 16, "freeze_backbone": False}
    (tmp_path / "config.json").write_text(json.dumps(own))
    assert tower_of(path).resize == "bilinear"


def test_one_row_of_a_timm_clip_is_a_head_and_more_are_a_projection(tmp_path):
    source = spelled("timm_clip_head")[2]
    facts = {"activation": "quick_gelu"}
    assert tower_of(saved(tmp_path, source), **facts).projection == 0
    wider = {"head.weight": np.zeros((10, 8), "f4"), "head.bias": np.zeros(10, "f4")}
    path = saved(tmp_path, {**source, **wider})
    assert tower_of(path, **facts).projection == 10
    (tmp_path / "config.json").write_text('{"architecture": "vit_clip", "num_classes": 10}')
    file = convert_file(path, facts={"heads": 2, **facts})
    assert file.network.spelling == "timm_clip_head"
    assert "params/head/kernel" in file.converted.coverage.replaced
    # timm counts the columns of a released projection as classes.
    path = saved(tmp_path, {**source, "head.weight": np.zeros((64, 8), "f4"),
                            "head.bias": np.zeros(64, "f4")})  # fmt: skip
    (tmp_path / "config.json").write_text('{"architecture": "vit_clip", "num_classes": 64}')
    assert tower_of(path, **facts).projection == 64


def test_what_means_the_same_is_not_refused(tmp_path):
    path = saved(tmp_path, spelled("transformers_vision", head=False)[2])
    told = {"heads": 2, "normalisation": "0.5/.5/0.50/.5/.5/5e-1"}
    assert jaxdet.load_tower(path, **told).tower.normalisation == "half"
    main(["to-jax", "--heads=2", str(path), str(tmp_path / "jax")])
    assert jaxdet.load_tower(tmp_path / "jax", **told).tower.heads == 2
    model = load_weights(tmp_path / "jax", headless=True).model
    check_facts(model, {"heads": "2", "normalisation": "half"}, source="x")
    with pytest.raises(UserError, match=r"--heads=4: .* its tower has 2; leave it out"):
        jaxdet.load_tower(tmp_path / "jax", heads=4)


@pytest.mark.parametrize(
    ("size", "scaled", "heads"),
    [
        ((14, 1152, 27), False, 16),  # SigLIP so400m, 72 channels each
        ((16, 1536, 40), False, 0),  # SigLIP 2 giant has 16
        ((16, 1536, 40), True, 24),  # DINO's all have 64
        ((14, 1280, 32), False, 16),
        ((16, 768, 12), False, 12),
        ((16, 80, 2), False, 0),
    ],
)
def test_heads_are_not_guessed_where_publishers_take_others_than_of_64(size, scaled, heads):
    assert heads_of(*size, scaled=scaled) == heads
