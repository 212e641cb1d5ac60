import contextlib
import dataclasses

import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxdet.config import Augment, Config, Model, to_json_dict
from jaxdet.convert.__main__ import main as convert
from jaxdet.convert.architectures import TABLES, shapes, table_of
from jaxdet.convert.card import Card, network_options
from jaxdet.convert.rules import flatten, to_torch
from jaxdet.convert.torch_write import write_torch
from jaxdet.errors import UserError
from jaxdet.models.detector import get_detector
from jaxdet.results import RunFolder
from jaxdet.runtime.mesh import make_mesh
from jaxdet.train.start import check_init, initial_variables
from jaxdet.workdir.files import sha256, write_json
from tests.golden.towers import state_dict

MODEL = Model(name="resnet18", width=4)


@pytest.fixture
def weights(tmp_path):
    """A .pth with a head of 1000 classes, and its arrays by place."""
    rng = np.random.default_rng(0)
    ours = {p: rng.normal(size=s).astype(np.float32) for p, s in shapes(MODEL).items()}
    head = {"fc.weight": np.zeros((1000, 32), np.float32), "fc.bias": np.zeros(1000, np.float32)}
    write_torch(tmp_path / "w.pth", {**to_torch(ours, table=TABLES["resnet18"]), **head})
    return tmp_path / "w.pth", ours


def start(path, *, crop=224, **model):
    model = dataclasses.replace(MODEL, init=str(path), **model)
    config = Config(seed=5, augment=Augment(crop=crop), model=model)
    return initial_variables(config, get_detector(config.model), make_mesh(1))


def test_a_pth_file_starts_a_run_with_a_head_of_its_own(weights, capsys):
    path, ours = weights
    # Options that change no shape are the run's own.
    found = flatten(start(path, running_variance="biased"))
    assert found.keys() == ours.keys()
    for place, value in found.items():
        if place.startswith("params/fc/"):
            assert value.shape == ours[place].shape
            assert abs(value).max() < 0.1
        else:
            assert np.array_equal(value, ours[place])
    assert "head of another size left out" in "".join(capsys.readouterr())
    again = flatten(start(path))
    assert all(np.array_equal(again[place], found[place]) for place in found)


def test_a_new_head_has_the_deviation_of_the_config(weights):
    path, _ = weights
    assert 0.6 < start(path, head_deviation=1.0)["params"]["fc"]["kernel"].std() < 1.5
    for name in ("resnet18", "vgg11"):
        model = Model(name=name, width=4, head_deviation=1.0)
        assert get_detector(model).network.head_deviation == 1.0


def test_a_detector_starts_from_the_weights_of_the_network_it_is_built_on(tmp_path):
    model = Model(name="resnet34", width=4)
    rng = np.random.default_rng(0)
    ours = {p: rng.normal(size=s).astype(np.float32) for p, s in shapes(model).items()}
    write_torch(tmp_path / "w.pth", to_torch(ours, table=TABLES["resnet34"]))
    found = flatten(start(tmp_path / "w.pth", name="spectrum_resnet34"))
    assert all(np.array_equal(value, ours[place]) for place, value in found.items())
    with pytest.raises(UserError, match="not the weights of npr but of resnet34 or image"):
        start(tmp_path / "w.pth", name="npr")


def test_weights_of_another_network_are_refused(weights):
    path, _ = weights
    with pytest.raises(UserError, match="not the weights of resnet34 but of resnet18: 80 missing"):
        start(path, name="resnet34")
    with pytest.raises(UserError, match="of width 8"):
        start(path, width=8)


def test_an_evaluation_starts_no_head_anew(weights):
    path, _ = weights
    config = Config(task="eval", model=dataclasses.replace(MODEL, init=str(path)))
    with pytest.raises(UserError, match="without values for params/fc/bias, params/fc/kernel"):
        initial_variables(config, get_detector(config.model), make_mesh(1))


@pytest.mark.parametrize(("task", "says"), [("train", None), ("eval", "holds a resnet34 of width")])
def test_a_backbone_starts_a_training_and_is_never_scored_in_its_place(tmp_path, task, says):
    backbone = Model(name="resnet34", width=4)
    ours = {p: np.ones(s, np.float32) for p, s in shapes(backbone).items()}
    write_torch(tmp_path / "w.pth", to_torch(ours, table=TABLES["resnet34"]))
    convert(["to-jax", "--arch=resnet34", str(tmp_path / "w.pth"), str(tmp_path / "folder")])
    model = Model(name="image_resnet34", width=4, init=str(tmp_path / "folder"))
    config = Config(task=task, model=model)
    with pytest.raises(UserError, match=says) if says else contextlib.nullcontext():
        initial_variables(config, get_detector(model), make_mesh(1))


def test_weights_of_one_side_are_refused_for_another(tmp_path):
    model = Model(name="dcgan", width=4, init=str(tmp_path / "w.pth"))
    ours = {p: np.ones(s, np.float32) for p, s in shapes(model, side=32).items()}
    write_torch(tmp_path / "w.pth", to_torch(ours, table=TABLES["dcgan"]))
    with pytest.raises(UserError, match=r"its dcgan takes crops of 32 .*config\.augment\.crop=32"):
        initial_variables(Config(model=model), get_detector(model), make_mesh(1))


def test_a_tower_starts_a_run_with_a_head_of_its_own(tmp_path):
    save_file(state_dict("hf_dinov2"), tmp_path / "w.safetensors")
    small = "dinov2_s14:size=56,width=128,depth=3,heads=2,mlp=512"
    options = {"name": "linear_probe", "width": 64}
    found = flatten(start(tmp_path / "w.safetensors", crop=56, tower=small, **options))
    kernel = found["params/head/kernel"]
    assert kernel.shape == (128, 1)
    assert kernel.std() == pytest.approx(0.02, rel=0.3)
    places = shapes(Model(tower=small, **options))
    assert found.keys() == places.keys()
    with pytest.raises(UserError, match=r"holds a linear_probe on dinov2_s14:.*asks for linear_pr"):
        start(tmp_path / "w.safetensors", tower="dinov2_s14", **options)
    with pytest.raises(
        UserError, match=r"holds a linear_probe on .*asks for linear_probe.* on clip"
    ):
        start(tmp_path / "w.safetensors", tower="clip_l14", **options)


def test_a_head_of_other_options_is_refused(tmp_path):
    tower = "clip_b16:size=28,patch=14,width=64,depth=1,heads=1,mlp=12,projection=6"
    own = Model(name="rine", tower=tower, width=4, projection_layers=1)
    arrays = {p: np.ones(s, np.float32) for p, s in shapes(own).items()}
    write_torch(tmp_path / "w.pth", to_torch(arrays, table=table_of(own, "open_clip")))
    with pytest.raises(UserError, match=r"has projection_layers=1; set --config\.model\.projec"):
        start(tmp_path / "w.pth", crop=28, name="rine", tower=tower, width=4, projection_layers=2)


@pytest.mark.parametrize(
    ("name", "own", "other"),
    [
        ("rine", {"projection_layers": 2}, {"projection_layers": 3}),
        ("knn", {"bank": 5}, {"bank": 6}),
        ("token_probe", {"tokens": 3}, {"tokens": 4}),
        ("linear_probe", {"normalise": True}, {"normalise": False}),
        ("linear_probe", {"normalise": False}, {"normalise": True}),
        ("knn", {"neighbours": 1}, {"neighbours": 3}),
        ("token_probe", {"bank": 5}, {"bank": 6}),
    ],
)
def test_a_run_s_head_sees_what_it_was_trained_on(tmp_path, name, own, other):
    """How many neighbours are compared may change; what FGTS was shown is in its statistics."""
    trained = Config(model=Model(name=name, tune="head", **own))
    folder = RunFolder(tmp_path / "run")
    folder.checkpoints.mkdir(parents=True)
    write_json(folder.config, to_json_dict(trained))
    model = dataclasses.replace(trained.model, init=str(folder.path), **other)
    is_free = "neighbours" in own or (name, *own) == ("token_probe", "bank")
    says = f"config.model.{next(iter(own))}="
    with contextlib.nullcontext() if is_free else pytest.raises(UserError, match=says):
        check_init(dataclasses.replace(trained, task="eval", model=model))


def test_a_file_s_card_says_that_its_head_takes_normalised_features(tmp_path):
    tower = "clip_b16:size=28,patch=14,width=8,depth=1,heads=2,mlp=12,projection=6"
    own = Model(name="linear_probe", tower=tower, normalise=True)
    arrays = {p: np.ones(s, np.float32) for p, s in shapes(own).items()}
    path = tmp_path / "w.pth"
    write_torch(path, to_torch(arrays, table=table_of(own, "open_clip")))
    card = Card(source="w", sha256=sha256(path), model=network_options(own))
    about = {"sha256": sha256(path), "card": dataclasses.asdict(card)}
    write_json(tmp_path / "w.pth.json", about)
    options = {"crop": 28, "name": "linear_probe", "tower": tower, "width": 64}
    with pytest.raises(UserError, match="its head takes normalised features"):
        start(path, **options)
    assert start(path, **options, normalise=True)["params"]["head"]["kernel"].shape == (6, 1)
