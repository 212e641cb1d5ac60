import dataclasses

import numpy as np
import pytest

from jaxdet.config import Model
from jaxdet.convert.architectures import shapes
from jaxdet.convert.check import Comparison, compare, weights_side
from jaxdet.convert.load import LoadedWeights, with_collections

MODEL = Model(name="resnet18", width=4)


def side(change=0.0):
    rng = np.random.default_rng(0)
    arrays = {p: rng.uniform(0.1, 0.2, s).astype(np.float32) for p, s in shapes(MODEL).items()}
    arrays["params/fc/bias"] = arrays["params/fc/bias"] + np.float32(change)
    return weights_side(LoadedWeights(model=MODEL, variables=with_collections(arrays), source="x"))


def compared(first, second):
    return compare(first, second, size=32, count=2, seed=0)


def test_a_changed_array_is_named_with_its_change():
    found = compared(side(), side(0.5))
    assert found.differing == {"params/fc/bias": pytest.approx(0.5)}
    assert found.compared == len(shapes(MODEL))


def test_signed_zeros_are_different_bits():
    first, second = side(), side()
    zero = np.zeros(1, np.float32)
    first = dataclasses.replace(first, arrays={**first.arrays, "params/fc/bias": zero})
    second = dataclasses.replace(second, arrays={**second.arrays, "params/fc/bias": -zero})
    assert compared(first, second).differing == {"params/fc/bias": 0.0}


@pytest.mark.parametrize(
    ("difference", "largest", "agrees"),
    [(1e-5, 1.0, True), (2e-4, 1.0, False), (2e-4, 10.0, True), (np.nan, 1.0, False)],
)
def test_large_logits_may_differ_by_more(difference, largest, agrees):
    comparison = Comparison(
        compared=0, differing={}, size=1,
        largest_logit_difference=difference, largest_logit=largest,
    )  # fmt: skip
    assert comparison.within(1e-4) is agrees
