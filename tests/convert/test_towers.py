"""Vision towers: features of transformers and timm, every spelling, what is asked and refused."""

import dataclasses
import json
import zipfile

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import jaxdet
from jaxdet.config import Model
from jaxdet.convert.__main__ import main
from jaxdet.convert.architectures import fitting, identify, shapes
from jaxdet.convert.load import convert_file
from jaxdet.convert.rules import to_jax, to_torch
from jaxdet.convert.spellings import SPELLINGS
from jaxdet.convert.torch_write import write_torch
from jaxdet.convert.towers import resized
from jaxdet.errors import UserError
from jaxdet.models.towers import read_tower
from tests.convert.small_towers import FACTS, SMALL, same, spelled
from tests.golden import torchvision
from tests.golden.towers import TOWERS, state_dict


@pytest.mark.parametrize("name", TOWERS)
def test_features_are_those_of_transformers_and_timm(name, tmp_path):
    tower, source = TOWERS[name], state_dict(name)
    save_file(source, tmp_path / "w.safetensors")
    images = torchvision.images(2, tower["size"])
    if tower["dim"] == 1:
        found = jaxdet.load_detector(tmp_path / "w.safetensors").score(images)[:, None]
    else:
        loaded = jaxdet.load_tower(tmp_path / "w.safetensors", tower.get("activation"))
        assert loaded.dim == tower["dim"]
        found = loaded.features(images)
    expected = np.array(tower["features"])
    deviation = np.abs(found[:, : expected.shape[1]] - expected).max()
    print(f"{name}: largest deviation {deviation:.2g}")
    assert deviation < 2e-5
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), tower["norms"], atol=2e-5)
    file = convert_file(tmp_path / "w.safetensors", facts={"activation": tower.get("activation")})
    assert same(to_torch(file.converted.arrays, table=file.network.table), source)


def test_the_wrong_activation_gives_other_features(tmp_path):
    save_file(state_dict("hf_clip_gelu"), tmp_path / "w.safetensors")
    loaded = jaxdet.load_tower(tmp_path / "w.safetensors", "quick_gelu")
    found = loaded.features(torchvision.images(2, loaded.size))[:, :16]
    assert np.abs(found - TOWERS["hf_clip_gelu"]["features"]).max() > 2e-3


def test_bfloat16_stays_near(tmp_path):
    save_file(state_dict("hf_dinov3"), tmp_path / "w.safetensors")
    loaded = jaxdet.load_tower(tmp_path / "w.safetensors", dtype="bfloat16")
    found = loaded.features(torchvision.images(2, 64))
    assert found.dtype == np.float32
    assert 1e-4 < np.abs(found[:, :16] - TOWERS["hf_dinov3"]["features"]).max() < 0.1


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_spelling_is_known_again_and_goes_there_and_back(spelling):
    for name, head in (("linear_probe", True), ("linear_probe", False), ("rine", True)):
        model, arrays, source = spelled(spelling, name=name, head=head)
        assert fitting(source) == [name]
        tower = read_tower(model.tower)
        facts = {"heads": 2, "resize": tower.resize, "normalisation": tower.normalisation}
        if "dinov3" in spelling:
            facts["size"] = 224
        if tower.activation == "quick_gelu":
            facts["activation"] = "quick_gelu"
        is_pooled = SPELLINGS[spelling].by_timm and name == "linear_probe" and head
        if is_pooled and tower.positions == "rotary":
            model = dataclasses.replace(model, tower=dataclasses.replace(tower, pool="mean").text)
        network = identify(source, None, source="x", told=facts)
        assert network.model == model
        converted = to_jax(source, shapes(model), table=network.table, source="x")
        assert same(converted.arrays, arrays)
        assert same(to_torch(converted.arrays, table=network.table), source)


def test_the_converted_folder_says_what_the_file_could_not(tmp_path, capsys):
    save_file(state_dict("open_clip_quick_gelu"), tmp_path / "w.safetensors")
    line = ["to-jax", str(tmp_path / "w.safetensors"), str(tmp_path / "jax")]
    with pytest.raises(SystemExit) as stopped:
        main(line)
    assert stopped.value.code == 2
    assert "does not say its activation; give --activation=quick_gelu" in capsys.readouterr().err
    main([*line, "--activation=quick_gelu"])
    assert "without a head" in capsys.readouterr().out
    about = json.loads((tmp_path / "jax" / "detector.json").read_text())
    assert about["spelling"] == "open_clip"
    facts = {"activation": "quick_gelu", "size": 56, "resize": "bicubic", "epsilon": 1e-5}
    assert facts.items() <= about["tower"].items()
    assert about["tower"]["mean"] == [0.48145466, 0.4578275, 0.40821073]
    main(["to-torch", str(tmp_path / "jax"), str(tmp_path / "back.safetensors")])
    assert same(load_file(tmp_path / "back.safetensors"), state_dict("open_clip_quick_gelu"))
    # The card beside the file says what was asked before.
    assert jaxdet.load_tower(tmp_path / "back.safetensors").tower.activation == "quick_gelu"
    with pytest.raises(UserError, match=r"activation=gelu: .*has quick_gelu"):
        jaxdet.load_tower(tmp_path / "jax", "gelu")
    with pytest.raises(UserError, match="a tower without a head: it gives features"):
        jaxdet.load_detector(tmp_path / "jax")


def test_a_set_of_files_with_the_tower_of_texts_is_read(tmp_path):
    source = state_dict("hf_clip_quick_gelu")
    texts = {"text_model.encoder.layers.0.mlp.fc1.bias": np.ones(3, "f4"),
             "logit_scale": np.ones((), "f4")}  # fmt: skip
    parts = [{**dict(list(source.items())[::2]), **texts}, dict(list(source.items())[1::2])]
    places = {}
    for number, part in enumerate(parts, 1):
        name = f"model-{number:05}-of-00002.safetensors"
        save_file(part, tmp_path / name)
        places |= dict.fromkeys(part, name)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    file = convert_file(index, facts={"activation": "quick_gelu"})
    assert file.converted.coverage.ignored.keys() == texts.keys()
    assert same(to_torch(file.converted.arrays, table=file.network.table), source)


def test_a_trainer_s_file_with_the_tower_inside_is_read(tmp_path):
    _, arrays, source = spelled("open_clip")
    head = {key: source.pop(key) for key in ("fc.weight", "fc.bias")}
    held = {"model": {**{f"model.{key}": value for key, value in source.items()}, **head}}
    write_torch(tmp_path / "w.pth", held["model"])
    file = convert_file(tmp_path / "w.pth", facts=FACTS)
    assert same(file.converted.arrays, arrays)
    assert file.notes == (
        "taken off the keys: model.",
        "pixels are normalised as most of its kind are (clip): no file beside it says how",
    )


def test_meta_s_masked_biases_of_keys_are_not_read():
    model, _, source = spelled("meta_dinov3", head=False)
    source |= {"rope_embed.periods": np.ones(1), "blocks.0.attn.qkv.bias_mask": np.ones(24)}
    assert read_tower(model.tower).qkv_bias == "no_key"
    source["blocks.0.attn.qkv.bias"][8:16] = 7
    table = identify(source, None, source="x", told={"heads": 2}).table
    back = to_torch(to_jax(source, shapes(model), table=table, source="x").arrays, table=table)
    assert back["blocks.0.attn.qkv.bias"][8:16].tolist() == [0] * 8


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"visual.proj": None, "visual.ln_pre.weight": None}, r"missing: visual\.ln_pre\.weight"),
        ({"visual.positional_embedding": None}, "missing: visual.positional_embedding"),
        ({"visual.transformer.resblocks.1.ln_1.bias": None}, "missing: visual.transformer.resb"),
        ({"visual.more": np.zeros(1)}, "without a place: visual.more"),
        ({"visual.positional_embedding": np.zeros((4, 8))}, "4 positions are of no square"),
        ({"visual.positional_embedding": np.zeros((8, 8))}, "8 positions are of no square"),
        ({"visual.conv1.weight": np.zeros((8, 3))}, r"conv1.weight has shape \(8, 3\)"),
        ({"visual.proj": np.zeros((9, 6))}, r"visual.proj has shape \(9, 6\), not \(8, 6\)"),
        ({"visual.transformer.resblocks.1.attn.in_proj_weight": np.zeros((8, 8))}, r"\(8, 8\)"),
    ],
)
def test_a_damaged_tower_is_refused_with_what_is_wrong(tmp_path, change, says):
    _, _, source = spelled("open_clip", head=False)
    changed = {k: v for k, v in {**source, **change}.items() if v is not None}
    save_file(changed, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=says):
        convert_file(tmp_path / "w.safetensors", facts=FACTS)


def test_torchscript_is_refused_with_the_file_to_take_instead(tmp_path):
    with zipfile.ZipFile(tmp_path / "ViT-L-14.pt", "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        archive.writestr("a/constants.pkl", b"\x80\x02}.")
    with pytest.raises(UserError, match="safetensors of openai/clip-vit-large-patch14"):
        jaxdet.load_tower(tmp_path / "ViT-L-14.pt")


def test_positions_are_interpolated_where_another_size_is_asked_for(tmp_path, capsys):
    save_file(state_dict("hf_dinov2"), tmp_path / "w.safetensors")
    loaded = jaxdet.load_tower(tmp_path / "w.safetensors", size=84)
    assert "positions interpolated from 4 x 4 to 6 x 6 patches, bicubic" in capsys.readouterr().err
    assert loaded.features(torchvision.images(1, 84)).shape == (1, 128)
    with pytest.raises(UserError, match="takes images of 84 x 84 pixels, not 56 x 56"):
        loaded.features(torchvision.images(1, 56))
    with pytest.raises(UserError, match="size=85 is no multiple of the patch"):
        jaxdet.load_tower(tmp_path / "w.safetensors", size=85)


def test_interpolation_is_timm_s():
    # torch 2.13, interpolate(mode="bicubic", antialias=True) in float64, as timm 1.0.31 calls it.
    model = Model(name="linear_probe", tower=f"augreg_b16:size=32,{SMALL}")
    table = np.arange(40, dtype=np.float32).reshape(5, 8) ** 1.5
    _, arrays, _ = resized(model, {"params/vit/pos_embed": table}, 48)
    found = arrays["params/vit/pos_embed"]
    assert found.shape == (10, 8)
    assert np.array_equal(found[0], table[0])
    expected = [13.754481, 36.341096, 58.92771, 66.653554, 96.305564, 125.957575, 119.552627,
                156.270033, 192.987439]  # fmt: skip
    np.testing.assert_allclose(found[1:, 0], expected, rtol=1e-5)
