"""Normalisation computed with its neighbours is the same function as apart from them."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdet.config import Model
from jaxdet.models import conv
from jaxdet.models.conv import BlockedStem, flax_conv
from jaxdet.models.detector import _cast_layers, get_detector
from jaxdet.models.platform import written_for
from jaxdet.models.pooled_norm import PooledNorm
from jaxdet.models.resnet import FLAX_LAYERS, Bottleneck, ResNet
from jaxdet.runtime.mesh import make_mesh, put_batch, put_replicated

LABEL = jnp.arange(8) % 2


def _conv(features, size, *, stride=1, name=None):
    """As on accelerators."""
    is_stem = (size, stride) == (7, 2)
    return BlockedStem(features, name=name) if is_stem else flax_conv(
        features, size, stride=stride, name=name
    )  # fmt: skip


# Two stages: a block whose shortcut is the input, one that widens it, one that strides.
APART = ResNet(block=Bottleneck, stages=(2, 1), width=4, **FLAX_LAYERS)
FOLDED = ResNet(block=Bottleneck, stages=(2, 1), width=4, folded=True, conv=_conv)


def _differentiate(network: ResNet, variables, x):
    def loss(params):
        logit, stats = network.apply(
            {**variables, "params": params}, x, train=True, mutable=["batch_stats"]
        )
        return jnp.mean(jnp.logaddexp(0, logit) - LABEL * logit), stats

    (value, stats), gradients = jax.jit(jax.value_and_grad(loss, has_aux=True))(variables["params"])
    return {"loss": value, "stats": stats, "gradients": gradients}


def _random(sides: tuple[int, int], dtype):
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (8, *sides, 3)).astype(dtype)
    variables = jax.eval_shape(lambda: APART.init(jax.random.key(0), x, train=True))
    # Away from the start, where the last scale of each block is 0.
    return jax.tree.map(lambda one: rng.normal(0, 0.3, one.shape).astype(dtype), variables), x


def _distance(found, expected) -> float:
    """Returns the length of the difference over the length."""
    pairs = list(zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True))
    squares = [(np.sum(np.square(a - b)), np.sum(np.square(b))) for a, b in pairs]
    return float(np.sqrt(sum(one for one, _ in squares) / sum(one for _, one in squares)))


@pytest.mark.parametrize("sides", [(32, 48), (30, 32)])
def test_loss_gradients_and_statistics_are_those_of_the_layers_apart(sides):
    # Sides of 30 give a map of 15 rows, whose pooling is not folded.
    with jax.enable_x64(True):
        variables, x = _random(sides, np.float64)
        expected = jax.device_get(_differentiate(APART, variables, x))
        found = jax.device_get(_differentiate(FOLDED, variables, x))
        assert jax.tree.structure(found) == jax.tree.structure(expected)
        for name in expected:
            assert _distance(found[name], expected[name]) < 1e-12


@pytest.mark.slow
def test_two_devices_give_what_one_gives():
    with jax.enable_x64(True):
        variables, x = _random((32, 32), np.float64)
        expected = _differentiate(FOLDED, variables, x)
        mesh = make_mesh(2)
        placed = put_batch(mesh, {"image": x})["image"]
        found = _differentiate(FOLDED, put_replicated(mesh, variables), placed)
        assert _distance(jax.device_get(found), jax.device_get(expected)) < 1e-12


@pytest.mark.slow
def test_bfloat16_is_as_near_as_the_layers_apart():
    variables, x = _random((32, 32), np.float32)
    expected = jax.device_get(_differentiate(APART, variables, x))["gradients"]
    cast = {**variables, "params": _cast_layers(variables["params"], jnp.bfloat16)}
    apart, folded = (
        jax.device_get(_differentiate(one, cast, x.astype(jnp.bfloat16)))["gradients"]
        for one in (APART, FOLDED)
    )
    assert _distance(folded, expected) < 1.2 * _distance(apart, expected)


@pytest.mark.parametrize("sides", [(32, 32), (17, 30), (224, 8)])
def test_a_stem_of_blocks_is_the_convolution(sides):
    x = jax.random.normal(jax.random.key(0), (2, *sides, 3))
    plain, blocked = flax_conv(5, 7, stride=2, name=None), BlockedStem(5)
    variables = plain.init(jax.random.key(1), x)
    assert jax.tree.all(jax.tree.map(np.array_equal, variables, blocked.init(jax.random.key(1), x)))
    expected, pull = jax.vjp(lambda v: plain.apply(v, x), variables)
    found, pull_blocked = jax.vjp(lambda v: blocked.apply(v, x), variables)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    for a, b in zip(*(jax.tree.leaves(one(expected)) for one in (pull_blocked, pull)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)


def test_the_first_of_equal_values_takes_the_pool_s_gradient():
    # All of a window alike, as in a flat image: XLA's and PyTorch's choice is the first.
    x = jnp.ones((1, 8, 8, 2)).at[..., 1].set(-1.0)
    norm = PooledNorm()
    variables = {
        "params": {"scale": jnp.ones(2), "bias": jnp.array([1.0, -1.0])},
        "batch_stats": {"mean": jnp.zeros(2), "var": jnp.ones(2)},
    }

    def pooled(params):
        out, _ = norm.apply({**variables, "params": params}, x, mutable=["batch_stats"])
        return out

    out, pull = jax.vjp(pooled, variables["params"])
    assert np.array_equal(out, jnp.broadcast_to(jnp.array([1.0, 0.0]), (1, 4, 4, 2)))
    # 16 windows hand their gradient back; where nothing is above 0 there is none.
    assert np.array_equal(pull(jnp.ones_like(out))[0]["bias"], [16.0, 0.0])


def test_accelerators_take_them_where_the_batch_is_normalised_as_one():
    whole, groups = (get_detector(Model(name="resnet50", norm_groups=n)).network for n in (1, 2))
    with written_for("cpu"):
        assert not whole._is_folded()
        assert type(conv.conv(4, 7, stride=2, name="a")) is nn.Conv
    with written_for("gpu"):
        assert whole._is_folded()
        assert not groups._is_folded()
        assert type(conv.conv(4, 7, stride=2, name="a")) is BlockedStem
        assert type(conv.conv(4, 1, name="a")) is nn.Conv
