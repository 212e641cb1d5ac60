import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxdet.config import Model
from jaxdet.convert.files import read_state_dict
from jaxdet.convert.rules import to_jax
from jaxdet.errors import UserError
from jaxdet.models.detector import get_detector
from tests.golden import torchvision


@pytest.fixture(scope="module")
def target():
    return jax.device_get(get_detector(Model(name="resnet18")).init(jax.random.key(0), size=32))


def test_every_place_is_filled_with_its_own_key(target):
    state_dict = torchvision.state_dict("resnet18")
    converted = to_jax(state_dict, target, source="x")
    assert converted.replaced == ()
    assert jax.tree.structure(converted.variables) == jax.tree.structure(target)
    block = converted.variables["params"]["layer2_0"]
    kernel = state_dict["layer2.0.conv1.weight"]
    assert block["conv1"]["kernel"][1, 2, 3, 4] == kernel[4, 3, 1, 2]
    stats = converted.variables["batch_stats"]["layer2_0"]["downsample_1"]
    assert np.array_equal(stats["var"], state_dict["layer2.0.downsample.1.running_var"])


def test_a_head_of_another_size_keeps_the_target_s(target):
    state_dict = torchvision.state_dict("resnet18")
    state_dict["fc.weight"] = np.zeros((1000, 512), np.float32)
    state_dict["fc.bias"] = np.zeros(1000, np.float32)
    converted = to_jax(state_dict, target, source="x")
    assert converted.replaced == ("params/fc/bias", "params/fc/kernel")
    kept = converted.variables["params"]["fc"]["kernel"]
    assert np.array_equal(kept, target["params"]["fc"]["kernel"])


def test_missing_unknown_and_misshapen_keys_are_named(target):
    state_dict = torchvision.state_dict("resnet18")
    without = {k: v for k, v in state_dict.items() if k != "layer3.1.bn2.bias"}
    with pytest.raises(UserError, match="layer3_1/bn2/bias is missing"):
        to_jax(without, target, source="x")
    with pytest.raises(UserError, match=r"layer1\.7\.conv1\.weight has no place"):
        to_jax({**state_dict, "layer1.7.conv1.weight": np.zeros(1)}, target, source="x")
    with pytest.raises(UserError, match="encoder"):
        to_jax({**state_dict, "encoder.weight": np.zeros(1)}, target, source="x")
    with pytest.raises(UserError, match=r"conv1\.weight becomes"):
        to_jax({**state_dict, "conv1.weight": np.zeros((64, 3, 5, 5))}, target, source="x")


def test_safetensors_are_read_and_other_files_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"x": np.arange(3.0)}, path)
    assert read_state_dict(path)["x"].tolist() == [0, 1, 2]
    (tmp_path / "b.safetensors").write_bytes(path.read_bytes()[:20])
    (tmp_path / "c.pth").write_bytes(b"x")
    for name, reason in [("b.safetensors", "damaged"), ("c.pth", "not a"), ("d", "no such")]:
        with pytest.raises(UserError, match=reason):
            read_state_dict(tmp_path / name)
