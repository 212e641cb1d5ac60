"""Released checkpoints whose kernels lie beside matrices of low rank: DDA's and Effort's."""

import numpy as np
import pytest

import jaxdet
from jaxdet.convert.__main__ import main
from jaxdet.convert.load import convert_file
from jaxdet.convert.torch_write import write_torch
from jaxdet.errors import UserError
from tests.convert.small_towers import spelled

RANK = 2


def as_dda(source, rng):
    """With LoRA on the four dense layers of each block, under the names of DDA's trainer."""
    keys, whole = {}, dict(source)
    for key, value in source.items():
        layer, _, kind = key.rpartition(".")
        if not layer.endswith(("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")):
            keys[key if key.startswith("fc.") else f"backbone.{key}"] = value
            continue
        keys[f"backbone.{layer}.original_layer.{kind}"] = value
        if kind == "weight":
            inwards, outwards = (
                rng.normal(size=(RANK, value.shape[1])),
                rng.normal(size=(value.shape[0], RANK)),
            )
            keys[f"backbone.{layer}.lora.lora_A"] = inwards.astype("f4")
            keys[f"backbone.{layer}.lora.lora_B"] = outwards.astype("f4")
            whole[key] = value + (outwards @ inwards / RANK).astype("f4")
    return keys, whole


def as_effort(source, rng):
    """With the last singular triplet of each layer of attention by itself, changed."""
    keys, whole = {}, dict(source)
    for key, value in source.items():
        layer, _, kind = key.rpartition(".")
        if "self_attn" not in layer or kind != "weight":
            keys[key if key.startswith("head.") else f"backbone.{key}"] = value
            continue
        left, values, right = np.linalg.svd(value)
        main = (left[:, :-1] * values[:-1]) @ right[:-1]
        changed = rng.normal(size=1)
        keys[f"backbone.{layer}.weight_main"] = main.astype("f4")
        keys |= {
            f"backbone.{layer}.U_residual": left[:, -1:].astype("f4"),
            f"backbone.{layer}.S_residual": changed.astype("f4"),
            f"backbone.{layer}.V_residual": right[-1:].astype("f4"),
            f"backbone.{layer}.U_r": left[:, :-1].astype("f4"),
            f"backbone.{layer}.S_r": values[:-1].astype("f4"),
            f"backbone.{layer}.V_r": right[:-1].astype("f4"),
        }
        whole[key] = (main + left[:, -1:] * changed @ right[-1:]).astype("f4")
    return keys, whole


FORMS = {"meta_dinov2": as_dda, "effort": as_effort}


@pytest.mark.parametrize("spelling", FORMS)
def test_a_released_checkpoint_is_its_detector_with_plain_kernels(spelling, tmp_path, capsys):
    keys, whole = FORMS[spelling](spelled(spelling)[2], np.random.default_rng(1))
    write_torch(tmp_path / "released.pth", {f"model.{key}": a for key, a in keys.items()})
    write_torch(tmp_path / "plain.pth", whole)
    told = ["--heads=2", *(["--activation=quick_gelu"] if spelling == "effort" else [])]
    for name in ("released", "plain"):
        main(["to-jax", *told, str(tmp_path / f"{name}.pth"), str(tmp_path / name)])
    said = capsys.readouterr().out
    assert said.count("are taken into their kernels") == 1
    assert ("LoRA at 1 / rank" in said) == (spelling == "meta_dinov2")
    first, second = (jaxdet.load_detector(tmp_path / name) for name in ("released", "plain"))
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 3), dtype=np.uint8)
    np.testing.assert_allclose(first.score(images), second.score(images), atol=1e-4)
    assert not np.allclose(second.score(images[:1]), second.score(images[1:2]))


@pytest.mark.parametrize(
    ("spelling", "end", "change", "says"),
    [
        ("meta_dinov2", "lora_B", None, r"lacks backbone\.blocks\.0\..*lora_B"),
        ("meta_dinov2", "lora_A", lambda a: a[:, :-1], r"fc1: a kernel \(12, 8\) and a product"),
        ("effort", "S_residual", None, r"lacks backbone\.encoder.*S_residual"),
    ],
)
def test_incomplete_matrices_are_named(spelling, end, change, says, tmp_path):
    keys, _ = FORMS[spelling](spelled(spelling)[2], np.random.default_rng(1))
    name = next(key for key in sorted(keys, reverse=change is not None) if key.endswith(end)
                and (change is None or "fc1" in key))  # fmt: skip
    value = keys.pop(name)
    if change:
        keys[name] = np.ascontiguousarray(change(value))
    write_torch(tmp_path / "w.pth", keys)
    with pytest.raises(UserError, match=says):
        convert_file(tmp_path / "w.pth", facts={"heads": 2, "activation": "quick_gelu"})
