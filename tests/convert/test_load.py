import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxdet.config import Model
from jaxdet.convert.architectures import TABLES, infer, shapes
from jaxdet.convert.folder import Source, new_folder, write_detector
from jaxdet.convert.load import convert_file, load_weights
from jaxdet.convert.rules import flatten, to_torch
from jaxdet.errors import UserError


def random_arrays(model, seed=0):
    rng = np.random.default_rng(seed)
    return {p: rng.normal(size=s).astype(np.float32) for p, s in shapes(model).items()}


def save_torch(path, model, **changes):
    state_dict = {**to_torch(random_arrays(model), table=TABLES[model.name]), **changes}
    save_file(state_dict, path)
    return path


@pytest.mark.parametrize("name", TABLES)
def test_the_architecture_and_width_follow_from_the_keys(tmp_path, name):
    model = Model(name=name, width=4)
    loaded = load_weights(save_torch(tmp_path / "a.safetensors", model))
    assert loaded.model == model
    assert loaded.replaced == ()
    expected = random_arrays(model)
    found = flatten(loaded.variables)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[place], expected[place]) for place in expected)
    assert loaded.variables.keys() == {"params", "batch_stats"}


def test_keys_of_no_architecture_are_refused():
    with pytest.raises(
        UserError, match=r"1 arrays \(encoder.weight, ...\) are the weights of none"
    ):
        infer({"encoder.weight": np.zeros(1)}, source="x")


def test_another_architecture_than_asked_for_is_refused(tmp_path):
    path = save_torch(tmp_path / "a.safetensors", Model(name="resnet18", width=4))
    with pytest.raises(UserError, match=r"missing: layer1\.0\.bn3\.bias"):
        load_weights(path, arch="resnet50")
    with pytest.raises(UserError, match=r"not the weights of vgg11: no features\.0\.weight"):
        load_weights(path, arch="vgg11")
    with pytest.raises(UserError, match="alexnet is not one of resnet18"):
        load_weights(path, arch="alexnet")


def test_a_head_of_another_size_is_drawn_from_the_seed(tmp_path):
    model = Model(name="resnet50", width=16)
    head = {"fc.weight": np.zeros((9, 512), np.float32), "fc.bias": np.ones(9, np.float32)}
    path = save_torch(tmp_path / "a.safetensors", model, **head)
    first, again, other = (load_weights(path, seed=seed) for seed in (1, 1, 2))
    assert first.replaced == ("params/fc/bias", "params/fc/kernel")
    kernels = [w.variables["params"]["fc"]["kernel"] for w in (first, again, other)]
    assert kernels[0].shape == (512, 1)
    assert kernels[0].std() == pytest.approx(0.02, rel=0.1)
    assert np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])
    assert first.variables["params"]["fc"]["bias"].tolist() == [0]


def test_data_parallel_s_prefix_is_taken_off(tmp_path):
    model = Model(name="resnet18", width=4)
    state_dict = to_torch(random_arrays(model), table=TABLES["resnet18"])
    save_file({f"module.{k}": v for k, v in state_dict.items()}, tmp_path / "a.safetensors")
    assert load_weights(tmp_path / "a.safetensors").model == model


@pytest.fixture
def folder(tmp_path):
    model = Model(name="resnet18", width=4, running_variance="biased")
    path = save_torch(tmp_path / "a.safetensors", model)
    coverage = convert_file(path)[1].coverage
    with new_folder(tmp_path / "folder") as draft:
        write_detector(
            draft,
            random_arrays(model),
            model=model,
            source=Source(file=path.name, sha256="00"),
            coverage=coverage,
        )
    return tmp_path / "folder"


def test_a_folder_gives_back_model_and_bits(folder):
    loaded = load_weights(folder)
    assert loaded.model == Model(name="resnet18", width=4, running_variance="biased")
    expected, found = random_arrays(loaded.model), flatten(loaded.variables)
    assert found.keys() == expected.keys()
    assert all(found[place].tobytes() == expected[place].tobytes() for place in expected)
    with pytest.raises(UserError, match="holds the weights of resnet18, not of vgg11"):
        load_weights(folder, arch="vgg11")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "cake"}, "does not describe a detector"),
        ({"schema_version": 9}, "schema version 9"),
        ({"model": {"name": "alexnet"}}, "'alexnet' is not one of"),
        ({"model": {"nam": "resnet18"}}, "unknown option model.nam"),
        ({"model": None}, "model is a section"),
        ({"model": {"name": "resnet18", "width": 5}}, "are not those of resnet18, width 5"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(folder, change, says):
    about = json.loads((folder / "detector.json").read_text())
    (folder / "detector.json").write_text(json.dumps({**about, **change}))
    with pytest.raises(UserError, match=says):
        load_weights(folder)


def test_a_flipped_bit_and_a_missing_file_are_refused(folder):
    arrays = folder / "variables.safetensors"
    content = bytearray(arrays.read_bytes())
    content[-1] ^= 1
    arrays.write_bytes(content)
    with pytest.raises(UserError, match="SHA-256 differs"):
        load_weights(folder)
    arrays.unlink()
    with pytest.raises(UserError, match="the folder is not whole"):
        load_weights(folder)


def test_a_new_folder_is_there_whole_or_not_at_all(tmp_path):
    def stop_halfway():
        with new_folder(tmp_path / "x") as draft:
            (draft / "half").write_text("")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        stop_halfway()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "x").mkdir()
    with pytest.raises(UserError, match="exists already"), new_folder(tmp_path / "x"):
        pass


def test_what_is_no_weight_file_is_refused(tmp_path):
    (tmp_path / "empty.safetensors").write_bytes(b"")
    (tmp_path / "picture.pth").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    path = save_torch(tmp_path / "a.safetensors", Model(name="resnet18", width=4))
    (tmp_path / "half.safetensors").write_bytes(path.read_bytes()[:200])
    for name, reason in [
        ("none", "no such weight file"),
        ("", "a folder without detector.json"),
        ("empty.safetensors", "is empty"),
        ("half.safetensors", "damaged"),
        ("picture.pth", "neither a safetensors file"),
    ]:
        with pytest.raises(UserError, match=reason):
            load_weights(tmp_path / name)
