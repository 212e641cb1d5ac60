"""Checkpoints of other trainers: wrapped, nested, averaged, with objects beside the weights."""

import argparse
import collections
import datetime
import decimal
import enum
import json
import os
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxdet.config import Model
from jaxdet.convert.__main__ import main
from jaxdet.convert.architectures import TABLES, shapes
from jaxdet.convert.files import read_state_dict
from jaxdet.convert.load import load_weights
from jaxdet.convert.rules import flatten, to_torch
from jaxdet.convert.state_dicts import dictionaries, unwrap
from jaxdet.errors import UserError
from tests.convert.checkpoints import tensors, write_checkpoint

MODEL = Model(name="resnet18", width=4)


def arrays(offset=0.0):
    rng = np.random.default_rng(0)
    return {p: rng.uniform(0.1, 1, s).astype("f4") + np.float32(offset)
            for p, s in shapes(MODEL).items()}  # fmt: skip


STATE_DICT = to_torch(arrays(), table=TABLES["resnet18"])
OTHER = to_torch(arrays(1.0), table=TABLES["resnet18"])


def assert_read(path, **options):
    loaded = load_weights(path, **options)
    assert loaded.model == MODEL
    found = flatten(loaded.variables)
    assert all(found[place].tobytes() == value.tobytes() for place, value in arrays().items())
    return " ".join(loaded.notes)


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("module.", "module."),
        ("_orig_mod.", "_orig_mod."),
        ("model.", "model."),
        ("backbone.", "backbone."),
        ("net.", "net."),
        ("_orig_mod.module.", "module., _orig_mod."),
        ("module._orig_mod.backbone.net.", "module., _orig_mod., backbone., net."),
        ("student.encoder.", "student., encoder."),
    ],
)
def test_prefixes_are_taken_off_and_said(tmp_path, prefix, said):
    save_file({prefix + k: v for k, v in STATE_DICT.items()}, tmp_path / "a.safetensors")
    assert assert_read(tmp_path / "a.safetensors") == f"taken off the keys: {said}"


def test_wrappers_within_keys_and_the_counter_of_averaged_models(tmp_path):
    inside = {key.replace("layer1.", "layer1._orig_mod."): v for key, v in STATE_DICT.items()}
    save_file(inside, tmp_path / "a.safetensors")
    assert_read(tmp_path / "a.safetensors")
    averaged = {"n_averaged": np.array(3), **{f"module.{k}": v for k, v in STATE_DICT.items()}}
    save_file(averaged, tmp_path / "b.safetensors")
    assert_read(tmp_path / "b.safetensors")


def test_keys_that_would_become_one_keep_what_is_before_them():
    same = {"a.b": "a.b", "a.module.b": "a.module.b"}
    assert unwrap(["a.b", "a.module.b"]) == (same, [])
    assert unwrap(["a.module.b"]) == ({"a.module.b": "a.b"}, ["module"])
    assert unwrap([]) == ({}, [])


def prefixed(prefix, state_dict=STATE_DICT):
    return {prefix + key: value for key, value in state_dict.items()}


LOSS = {"criterion.pos_weight": np.ones(1, "f4")}


@pytest.mark.parametrize("prefix", ["model_ema.module.", "ema.", "model.ema_model."])
@pytest.mark.parametrize("nested", [False, True])
def test_of_two_sets_in_one_dictionary_one_is_chosen(tmp_path, prefix, nested):
    content = tensors({**prefixed("model.net."), **prefixed(prefix, OTHER), **LOSS})
    content = {"state_dict": content, "epoch": 1} if nested else content
    path = write_checkpoint(tmp_path / "a.ckpt", content)
    start, ema = "state_dict." if nested else "", prefix.removesuffix("module.")[:-1]
    with pytest.raises(UserError, match=f"several sets .*, {start}model.net, {start}{ema}; choose"):
        load_weights(path)
    assert f"those under '{start}model.net'; not read: " in assert_read(
        path, state_dict="model.net"
    )
    loaded = load_weights(path, state_dict=ema)
    assert loaded.variables["params"]["fc"]["bias"] == OTHER["fc.bias"]
    with pytest.raises(UserError, match=rf"no --state-dict=x in it, but .*, {start}model\.net"):
        load_weights(path, state_dict="x")


def test_a_name_that_holds_two_sets_is_still_not_guessed(tmp_path):
    save_file(
        {**prefixed("a.x."), **prefixed("a.y.", OTHER), **prefixed("b.", OTHER)}, tmp_path / "a"
    )
    with pytest.raises(UserError, match=r"several sets of weights, a\.x, a\.y; choose"):
        load_weights(tmp_path / "a", state_dict="a")
    assert_read(tmp_path / "a", state_dict="a.x")


@pytest.mark.parametrize("prefix", ["model.", "module.model.", "net.backbone."])
def test_what_is_no_parameter_of_the_network_is_passed_over_and_named(tmp_path, prefix):
    path = tmp_path / "a.safetensors"
    save_file({**prefixed(prefix), **LOSS, "loss.a": LOSS["criterion.pos_weight"]}, path)
    assert "not read: criterion.pos_weight, loss.a taken off" in assert_read(path)


def test_a_last_layer_outside_of_the_backbone_is_taken_where_nothing_else_is_missing(tmp_path):
    path = tmp_path / "a.safetensors"
    outside = {k if k.startswith("fc.") else f"backbone.{k}": v for k, v in STATE_DICT.items()}
    save_file(outside, path)
    assert assert_read(path) == "taken off the keys: backbone."
    save_file({**outside, **LOSS}, path)
    with pytest.raises(UserError, match=r"nearest: 1 without a place: criterion\.pos_weight"):
        load_weights(path)
    save_file(prefixed("model.", outside), path)
    assert assert_read(path) == "taken off the keys: model., backbone."
    # The network's answers come from one of the two, and nothing says which.
    save_file({**prefixed("backbone."), "fc.bias": OTHER["fc.bias"]}, path)
    with pytest.raises(
        UserError, match=r"holds both backbone\.fc\.bias and fc\.bias; .*=backbone$"
    ):
        load_weights(path)
    assert_read(path, state_dict="backbone")


@pytest.mark.parametrize("around", ["", "model."])
def test_a_set_within_another_is_not_taken_by_guess(tmp_path, around):
    path = tmp_path / "a.safetensors"
    save_file({**prefixed(around), **prefixed(around + "ema.", OTHER)}, path)
    with pytest.raises(UserError, match=r"nearest: 102 without a place: ema\.bn1\.bias"):
        load_weights(path)
    loaded = load_weights(path, state_dict=around + "ema")
    assert loaded.variables["params"]["fc"]["bias"] == OTHER["fc.bias"]


def test_only_the_true_surplus_of_an_unfinished_set_is_named(tmp_path):
    path = tmp_path / "a.safetensors"
    without = {key: value for key, value in STATE_DICT.items() if not key.startswith("fc.")}
    save_file({**prefixed("model.", without), "head.bias": np.zeros(1, "f4"), **LOSS}, path)
    says = (
        r"2 missing: fc\.bias .*, fc\.weight .*; 2 without a place: criterion\.\S+ .*, head\.bias"
    )
    with pytest.raises(UserError, match=says):
        load_weights(path)


def test_a_dct_network_without_its_scaler_is_no_resnet(tmp_path):
    save_file(prefixed("network."), tmp_path / "a")
    with pytest.raises(UserError, match=r"not the weights of dct_resnet18.*missing: scaler\.max"):
        load_weights(tmp_path / "a")
    assert_read(tmp_path / "a", arch="resnet18")


class Kind(enum.Enum):
    ONE = 1


class Settings:
    """Refers to itself, as a trainer that is saved with its own checkpoint does."""

    def __init__(self):
        self.me, self.path = self, Path("/data")


class Slotted:
    __slots__ = ("a",)

    def __init__(self):
        self.a = (1, 2)


BESIDE = {
    "args": argparse.Namespace(lr=0.1, data_dir=Path("/data")),
    "best": np.float64(0.9),
    "when": datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
    "rng": random.getstate(),
    "np_rng": np.random.RandomState(0).get_state(),
    "generator": np.random.default_rng(0),
    "optimizer": {
        "state": collections.defaultdict(dict, {0: tensors({"step": np.float32([1])})}),
        "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999), "params": [0]}],
    },
    "counts": collections.Counter("aab"),
    "settings": Settings(),
    "slotted": Slotted(),
    "kind": Kind.ONE,
    "decimal": decimal.Decimal("1.5"),
    "sets": [{1, 2}, frozenset({3}), b"bytes", bytearray(b"bytes"), 1 + 2j, range(3), ...],
    "numbers": [10**3000, -(10**40), 2**70, 1.5],
    "keys": {(1, 2): 3, 1.5: 2, b"x": 1, None: 0, True: 1},
    "objects": np.array([None, {}], object),
    "cls": Settings,
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_lies_beside_the_weights_is_passed_over(tmp_path, protocol):
    content = {"state_dict": tensors(STATE_DICT, "module."), "epoch": 3, **BESIDE}
    said = assert_read(write_checkpoint(tmp_path / "a.pth", content, protocol=protocol))
    assert "under 'state_dict'; not read: epoch, args, best, when, rng, ..." in said


class Runs:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),), {"state": 1}, iter([1]), iter([(1, 2)])


@pytest.mark.parametrize("protocol", [2, 4])
def test_code_beside_the_weights_never_runs(tmp_path, protocol):
    content = {"model": tensors(STATE_DICT), "hook": Runs(tmp_path / "pwned")}
    assert_read(write_checkpoint(tmp_path / "a.pth", content, protocol=protocol))
    among = {"model": {**tensors(STATE_DICT), "fc.bias": Runs(tmp_path / "pwned")}}
    with pytest.raises(UserError, match=r"1 missing: fc\.bias"):
        load_weights(write_checkpoint(tmp_path / "b.pth", among, protocol=protocol))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "content",
    [
        {"weights": tensors(STATE_DICT)},
        {"model": {"state_dict": tensors(STATE_DICT)}, "epoch": 1},
        {"model_ema": tensors(STATE_DICT), "epoch": 1},
        {**tensors(STATE_DICT), "epoch": 1},
        collections.defaultdict(dict, {"net": tensors(STATE_DICT)}),
        # An unfinished copy, and averages of something else.
        {"model": tensors(STATE_DICT), "teacher": tensors({"fc.weight": np.zeros((1, 4), "f4")})},
    ],
)
def test_the_weights_are_found_under_any_name(tmp_path, content):
    assert_read(write_checkpoint(tmp_path / "a.pth", content))


def test_of_several_sets_of_weights_none_is_guessed(tmp_path, capsys):
    averaged = tensors(OTHER)
    content = {"model": tensors(STATE_DICT), "model_ema": averaged, "ema": averaged, "epoch": 3}
    path = write_checkpoint(tmp_path / "a.pth", content)
    with pytest.raises(UserError, match=r"several.*, model, model_ema, ema; .*--state-dict=NAME"):
        load_weights(path)
    assert "under 'model'; not read: model_ema, ema, epoch" in assert_read(path, state_dict="model")
    with pytest.raises(UserError, match="no --state-dict=modl in it, but model, model_ema, ema"):
        load_weights(path, state_dict="modl")
    main(["to-torch", "--state-dict=ema", str(path), str(tmp_path / "b.pth")])
    assert "a.pth: the weights are those under 'ema'" in capsys.readouterr().out
    assert read_state_dict(tmp_path / "b.pth")["fc.bias"] == OTHER["fc.bias"]
    # The same weights under two names are one set.
    assert_read(write_checkpoint(tmp_path / "c.pth", dict.fromkeys("ab", tensors(STATE_DICT))))


def nested_tuples(depth=100):
    """A pickled tuple of twice the same tuple, and so on: two to the power of `depth` ends."""
    return b"K\x01" + b"q\x00h\x00\x86" * depth


@pytest.mark.parametrize(
    "description",
    [
        b"}" + nested_tuples() + b"K\x01s",
        nested_tuples() + b"X\x01\x00\x00\x00a\x93",
        b"ccollections\nOrderedDict\n]" + nested_tuples() + b"K\x01\x86a\x85R",
        b"}X\x01\x00\x00\x00a" + nested_tuples() + b"s",
        nested_tuples() + b"Q",
    ],
)
def test_shared_tuples_are_neither_hashed_nor_printed(tmp_path, description):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + description + b".")
    with pytest.raises(UserError):
        load_weights(tmp_path / "a.pth")


def test_shared_dictionaries_are_looked_through_once():
    looked_at = []
    root = leaf = {"w": 1.0}
    for _ in range(3):
        root = {f"k{n}": root for n in range(50)}

    def holds(key, value):
        looked_at.append(key)
        return isinstance(value, float)

    found = dictionaries(root, holds=holds)
    assert len(looked_at) == 151
    assert set(map(id, found.values())) == {id(next(iter(found.values())))}
    assert next(iter(found.values())) == leaf


PARTS = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]


@pytest.fixture
def parts(tmp_path):
    keys = list(STATE_DICT)
    halves = (keys[:60], keys[60:])
    for name, half in zip(PARTS, halves, strict=True):
        save_file({key: STATE_DICT[key] for key in half}, tmp_path / name)
    return tmp_path, {k: name for name, half in zip(PARTS, halves, strict=True) for k in half}


def write_index(folder, weight_map):
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return path


def test_an_index_is_read_and_a_part_says_what_it_is(parts):
    folder, weight_map = parts
    assert_read(write_index(folder, weight_map))
    with pytest.raises(UserError, match=r"part 2 of 2 .* give .* model\.safetensors\.index\.json"):
        load_weights(folder / PARTS[1])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fc.bias": "../up.safetensors"}, "nor an index of weight files beside it"),
        ({"fc.bias": 3}, "nor an index of weight files beside it"),
        ({"fc.bias": "none.safetensors"}, r"none\.safetensors: no such weight file"),
        ({"fc.bias": "model.safetensors.index.json"}, "neither a safetensors file nor"),
        ({"more": PARTS[0]}, "lacks more, which model.safetensors.index.json says is in it"),
    ],
)
def test_an_index_that_does_not_fit_its_parts_is_refused(parts, change, says):
    folder, weight_map = parts
    with pytest.raises(UserError, match=says):
        load_weights(write_index(folder, {**weight_map, **change}))
