import re

import numpy as np
import pytest

from jaxdet.config import Model
from jaxdet.convert.architectures import TABLES, shapes
from jaxdet.convert.keys import ignored
from jaxdet.convert.rules import flatten, nest, to_jax, to_torch
from jaxdet.convert.spellings import PROBE_TABLES
from jaxdet.errors import UserError
from tests.golden import torchvision


def converted(state_dict, arch="resnet18"):
    return to_jax(state_dict, shapes(Model(name=arch)), table=TABLES[arch], source="x")


@pytest.fixture(scope="module")
def state_dict():
    return torchvision.state_dict("resnet18")


def test_every_place_is_filled_with_its_own_key(state_dict):
    result = converted(state_dict)
    assert {p: a.shape for p, a in result.arrays.items()} == shapes(Model(name="resnet18"))
    kernel = result.arrays["params/layer2_0/conv1/kernel"]
    assert kernel[1, 2, 3, 4] == state_dict["layer2.0.conv1.weight"][4, 3, 1, 2]
    var = result.arrays["batch_stats/layer2_0/downsample_1/var"]
    assert np.array_equal(var, state_dict["layer2.0.downsample.1.running_var"])


@pytest.mark.parametrize("table", [*TABLES.values(), *PROBE_TABLES.values()])
def test_a_key_has_the_places_of_all_rules_that_it_fits(table):
    filled = [
        tuple(re.sub(r"\{\w+\}", "10", name) for name in (rule.key, rule.place))
        for rule in table.rules
    ]
    for key, place in filled:
        assert table.places(key) == [other for own, other in filled if own == key]
        assert not table.places(f"{key}1.")
        assert not table.places(f"odd.{key}")
        assert table.covers(place)
        assert not table.covers(f"{place}/1")
        assert table.key(place) in {own for own, other in filled if other == place}


def test_the_classifier_of_vgg_reads_the_map_in_torch_s_order():
    kernel = np.arange(2 * 3 * 49, dtype=np.float32).reshape(2, 3 * 49)
    layout = TABLES["vgg11"].rule_of_place("params/classifier_0/kernel").layout
    ours = layout.to_jax(kernel).reshape(7, 7, 3, 2)
    channel, row, column, out = 2, 4, 5, 1
    assert ours[row, column, channel, out] == kernel[out, channel * 49 + row * 7 + column]
    assert np.array_equal(layout.to_torch(layout.to_jax(kernel)), kernel)


def test_there_and_back_gives_the_same_bits(state_dict):
    back = to_torch(converted(state_dict).arrays, table=TABLES["resnet18"])
    assert back.keys() == state_dict.keys()
    for key, value in state_dict.items():
        assert back[key].dtype == value.dtype
        assert back[key].shape == value.shape
        assert back[key].tobytes() == value.tobytes()


@pytest.mark.parametrize("arch", TABLES)
def test_back_and_there_gives_the_same_bits(arch):
    rng = np.random.default_rng(0)
    model = Model(name=arch, width=4)
    ours = {p: rng.normal(size=s).astype(np.float32) for p, s in shapes(model).items()}
    there = to_torch(ours, table=TABLES[arch])
    back = to_jax(there, shapes(model), table=TABLES[arch], source="x").arrays
    assert all(back[place].tobytes() == ours[place].tobytes() for place in ours)


def test_what_became_of_each_key_is_recorded(state_dict):
    coverage = converted(state_dict).coverage
    assert {line["key"] for line in coverage.used} | set(coverage.ignored) == set(state_dict)
    assert all(key.endswith("num_batches_tracked") for key in coverage.ignored)
    assert {"key": "fc.weight", "place": "params/fc/kernel", "shape": [1, 512],
            "dtype": "float32"} in coverage.used  # fmt: skip


def test_a_head_of_another_size_is_left_open(state_dict):
    head = {"fc.weight": np.zeros((1000, 512)), "fc.bias": np.zeros(1000)}
    result = converted({**state_dict, **head})
    assert result.coverage.replaced == ("params/fc/bias", "params/fc/kernel")
    assert "params/fc/bias" not in result.arrays


def test_missing_unknown_and_misshapen_keys_are_named(state_dict):
    without = {k: v for k, v in state_dict.items() if k != "layer3.1.bn2.bias"}
    with pytest.raises(UserError, match=r"1 missing: layer3\.1\.bn2\.bias"):
        converted(without)
    renamed = {**without, "layer3.1.bn2.beta": state_dict["layer3.1.bn2.bias"]}
    both = (
        r"missing: layer3\.1\.bn2\.bias \(nearest: layer3\.1\.bn2\.beta\); "
        r"1 without a place: layer3\.1\.bn2\.beta \(nearest: layer3\.1\.bn2\.bias\)"
    )
    with pytest.raises(UserError, match=both):
        converted(renamed)
    with pytest.raises(UserError, match=r"conv1\.weight has shape \(64, 3, 5, 5\), not"):
        converted({**state_dict, "conv1.weight": np.zeros((64, 3, 5, 5))})


def test_a_long_list_and_a_hostile_name_stay_one_short_line(state_dict):
    strange = {f"\x1b[31m{i}" + "y" * 9999: np.zeros(1) for i in range(50)}
    with pytest.raises(UserError) as caught:
        converted({**state_dict, **strange})
    message = str(caught.value)
    assert "50 without a place" in message
    assert len(message) < 1000
    assert message.isprintable()


def test_counters_need_no_place():
    assert ignored("bn1.num_batches_tracked")
    assert ignored("bn1.running_mean") is None


def test_nested_and_flat_are_the_same():
    tree = {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    assert flatten(tree) == {"a/b": 1, "a/c/d": 2, "e": 3}
    assert nest(flatten(tree)) == tree
