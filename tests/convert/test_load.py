import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxdet.config import Model
from jaxdet.config.model import ARCHITECTURES
from jaxdet.convert.__main__ import main
from jaxdet.convert.architectures import CONVERTIBLE, TABLES, fitting, shapes
from jaxdet.convert.files import read_safetensors, read_state_dict
from jaxdet.convert.folder import Source, write_detector
from jaxdet.convert.load import convert_file, load_weights
from jaxdet.convert.rules import flatten, to_torch
from jaxdet.errors import UserError
from jaxdet.workdir.drafts import new_folder

MODEL = Model(name="resnet18", width=4)


def random_arrays(model, side=None):
    rng = np.random.default_rng(0)
    found = shapes(model, side=side)
    # Above 0: a count is among them.
    return {p: rng.uniform(0.1, 1, s).astype(np.float32) for p, s in found.items()}


def save_torch(path, model, *, side=None, **changes):
    arrays = random_arrays(model, side)
    state_dict = {**to_torch(arrays, table=TABLES[model.name]), **changes}
    save_file(state_dict, path)
    return path


# Those whose keys are another's too.
AMBIGUOUS = ("resnet34", "image_resnet34", "spectrum_resnet34", "resnet50", "resnet50_nodown")


def test_tables_are_of_detectors_that_there_are():
    assert set(CONVERTIBLE) <= set(ARCHITECTURES)


@pytest.mark.parametrize("name", [name for name in TABLES if name not in AMBIGUOUS])
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


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("resnet34", "fit resnet34 and image_resnet34 and spectrum_resnet34, .*--arch=NAME"),
        ("resnet50", "fit resnet50 and resnet50_nodown, .*--arch=NAME"),
    ],
)
def test_between_two_architectures_nothing_is_guessed(tmp_path, name, says):
    path = save_torch(tmp_path / "a.safetensors", Model(name=name, width=4))
    with pytest.raises(UserError, match=says):
        load_weights(path)
    for arch in fitting(read_state_dict(path)):
        assert load_weights(path, arch=arch).model == Model(name=arch, width=4)


@pytest.mark.parametrize(("name", "side"), [("dct_resnet18", 48), ("dct_log_resnet18", 32),
                                            ("dcgan", 32)])  # fmt: skip
def test_the_side_of_the_crops_follows_from_the_shapes(tmp_path, name, side):
    model = Model(name=name, width=4)
    path = save_torch(tmp_path / "a.safetensors", model, side=side)
    assert load_weights(path).crop == side
    sized = TABLES[name].sized
    shape = (3, 7) if name == "dcgan" else (5000, 5000, 1)
    save_torch(tmp_path / "b.safetensors", model, side=side, **{sized: np.zeros(shape, "f4")})
    with pytest.raises(UserError, match=f"{sized}: {name} takes no crops of"):
        load_weights(tmp_path / "b.safetensors")


def test_keys_of_no_architecture_are_refused(tmp_path):
    save_file({"encoder.weight": np.zeros(1), "b.c": np.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(
        UserError, match=r"2 arrays \(b.c, encoder.weight, ...\) are the weights of none"
    ):
        load_weights(tmp_path / "a.safetensors")


def test_another_architecture_than_asked_for_is_refused(tmp_path):
    path = save_torch(tmp_path / "a.safetensors", Model(name="resnet18", width=4))
    with pytest.raises(UserError, match=r"not.*of resnet50 but of resnet18: .*missing: layer1\.0"):
        load_weights(path, arch="resnet50")
    with pytest.raises(UserError, match=r"22 missing: classifier\.0\.bias.*; 102 without a place"):
        load_weights(path, arch="vgg11")
    with pytest.raises(UserError, match=r"resnt18 is not one of resnet18.*did you mean resnet18"):
        load_weights(path, arch="resnt18")


def test_what_is_missing_from_the_nearest_architecture_is_named(tmp_path):
    state_dict = to_torch(random_arrays(MODEL), table=TABLES["resnet18"])
    save_file({k: v for k, v in state_dict.items() if k != "fc.bias"}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=r"resnet18, which is nearest: 1 missing: fc\.bias"):
        load_weights(tmp_path / "a.safetensors")


HEADS = {
    name: (Model(name=name, width=4), table.key(table.head + "kernel"))
    for name, table in TABLES.items()
    if table.head
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_of_another_size_answers_nothing(tmp_path, name):
    model, key = HEADS[name]
    shape = to_torch(random_arrays(model), table=TABLES[name])[key].shape
    head = {key: np.zeros((2, *shape[1:]), np.float32),
            key.replace("weight", "bias"): np.zeros(2, np.float32)}  # fmt: skip
    path = save_torch(tmp_path / "a.safetensors", model, **head)
    kernel, bias = TABLES[name].head + "kernel", TABLES[name].head + "bias"
    with pytest.raises(UserError, match=f"without values for {bias}, {kernel}"):
        load_weights(path, arch=name)
    assert load_weights(path, arch=name, head_seed=0).replaced == (bias, kernel)


def test_a_head_of_another_size_is_drawn_from_the_seed_where_training_starts(tmp_path):
    model = Model(name="resnet18", width=64)
    head = {"fc.weight": np.zeros((9, 512), np.float32), "fc.bias": np.ones(9, np.float32)}
    path = save_torch(tmp_path / "a.safetensors", model, **head)
    first, again, other = (load_weights(path, head_seed=seed) for seed in (1, 1, 2))
    assert first.replaced == ("params/fc/bias", "params/fc/kernel")
    kernels = [w.variables["params"]["fc"]["kernel"] for w in (first, again, other)]
    assert kernels[0].shape == (512, 1)
    assert kernels[0].std() == pytest.approx(0.02, rel=0.1)
    assert np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])
    assert first.variables["params"]["fc"]["bias"].tolist() == [0]


@pytest.mark.parametrize(
    ("name", "key", "value", "says"),
    [
        ("resnet18", "bn1.bias", np.nan, "not finite in params/bn1/bias"),
        ("dct_resnet18", "scaler.min", np.inf, "not finite in batch_stats/scaler/min"),
        ("dct_log_resnet18", "scaler.count", 0, r"inputs \(scaler\) were never measured"),
    ],
)
def test_values_that_nobody_measured_answer_nothing(tmp_path, name, key, value, says):
    model = Model(name=name, width=4)
    shape = to_torch(random_arrays(model), table=TABLES[name])[key].shape
    path = save_torch(tmp_path / "a.safetensors", model, **{key: np.full(shape, value, "f4")})
    with pytest.raises(UserError, match=says):
        load_weights(path)
    if not np.isfinite(value):
        with pytest.raises(UserError, match=says):
            load_weights(path, head_seed=0)


@pytest.fixture
def folder(tmp_path):
    model = Model(name="resnet18", width=4, running_variance="biased")
    path = save_torch(tmp_path / "a.safetensors", model)
    coverage = convert_file(path).converted.coverage
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
        ({"model": {"name": "resnet18", "width": 5}}, "are not those of resnet18 of width 5"),
        ({"model": {"name": "dcgan"}, "crop": 33}, "dcgan takes no crops of 33 pixels"),
        ({"model": {"name": "dcgan"}, "crop": [9]}, r"dcgan takes no crops of \[9\] pixels"),
        ({"coverage": None}, "coverage.replaced is no list"),
        ({"coverage": {"replaced": ["params/conv1/kernel"]}}, "no list of places of the last"),
        ({"coverage": {"replaced": [["params/fc/kernel"]]}}, "no list of places of the last"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(folder, change, says):
    about = json.loads((folder / "detector.json").read_text())
    (folder / "detector.json").write_text(json.dumps({**about, **change}))
    with pytest.raises(UserError, match=says):
        load_weights(folder)


def test_a_folder_without_a_head_starts_a_training_and_answers_nothing(tmp_path):
    head = {"fc.weight": np.zeros((9, 32), np.float32), "fc.bias": np.zeros(9, np.float32)}
    path = save_torch(tmp_path / "a.safetensors", MODEL, **head)
    main(["to-jax", str(path), str(tmp_path / "folder")])
    assert "params/fc/kernel" not in read_safetensors(tmp_path / "folder/variables.safetensors")
    with pytest.raises(UserError, match="folder: without values for params/fc/bias, params/fc/k"):
        load_weights(tmp_path / "folder")
    found, same = (load_weights(p, head_seed=3) for p in (tmp_path / "folder", path))
    assert flatten(found.variables).keys() == shapes(MODEL).keys()
    assert np.array_equal(*(w.variables["params"]["fc"]["kernel"] for w in (found, same)))


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


def test_a_json_of_the_user_beside_weights_is_never_written_to(tmp_path, capsys):
    source = save_torch(tmp_path / "a.safetensors", Model(name="resnet18", width=4))
    out = tmp_path / "b.safetensors"
    mine = '{"source": {"file": "mine"}}'
    (tmp_path / "b.safetensors.json").write_text(mine)
    with pytest.raises(SystemExit):
        main(["to-torch", str(source), str(out)])
    assert "b.safetensors.json: exists already, and is not overwritten" in capsys.readouterr().err
    out.write_bytes(source.read_bytes())
    main(["check", str(source), str(out), "--size=32", "--images=1"])
    assert (tmp_path / "b.safetensors.json").read_text() == mine


def test_to_torch_killed_between_its_two_files_goes_on(tmp_path):
    source = save_torch(tmp_path / "a.safetensors", Model(name="resnet18", width=4))
    command = ["to-torch", str(source), str(tmp_path / "b.safetensors")]
    main(command)
    whole = {path: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "b.safetensors").unlink()
    main(command)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == whole


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
        ("", "neither a run, with config.json, nor converted weights, with detector.json"),
        ("empty.safetensors", "is empty"),
        ("half.safetensors", "damaged"),
        ("picture.pth", "neither a safetensors file"),
    ]:
        with pytest.raises(UserError, match=reason):
            load_weights(tmp_path / name)


@pytest.mark.parametrize("prefix", ["visual.", "net.visual.", "vit."])
def test_a_tower_s_name_may_stand_before_the_keys_of_another_network(prefix, tmp_path):
    save_torch(tmp_path / "bare.safetensors", Model(name="npr", width=4))
    bare = read_safetensors(tmp_path / "bare.safetensors")
    save_file(
        {f"{prefix}{key}": np.array(a) for key, a in bare.items()}, tmp_path / "w.safetensors"
    )
    assert load_weights(tmp_path / "w.safetensors").model.name == "npr"


@pytest.mark.parametrize("more", [{"input_size": 224}, {"mean": "a", "std": "b"}])
def test_another_s_config_beside_weights_without_a_tower_is_left_alone(more, tmp_path):
    path = save_torch(tmp_path / "w.safetensors", MODEL)
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "x", **more}))
    assert load_weights(path, arch="resnet18").model.name == "resnet18"
