from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdet.config import Model
from jaxdet.models.conv import conv, flax_conv
from jaxdet.models.detector import get_detector
from jaxdet.models.norm import BatchNorm
from jaxdet.models.platform import written_for
from tests.golden import torchvision


@pytest.mark.parametrize(("arch", "parameters"), [
    # torchvision's counts less its 1000-way head, plus one logit.
    ("resnet18", 11_177_025), ("resnet34", 21_285_185), ("resnet50", 23_510_081),
    ("vgg11", 128_770_433), ("vgg11_bn", 128_775_937),
])  # fmt: skip
def test_parameter_counts_are_torchvision_s(arch, parameters):
    variables = jax.eval_shape(
        lambda: get_detector(Model(name=arch)).init(jax.random.key(0), size=64)
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == parameters


def fresh(**options):
    """The parameters that a ResNet-50 starts with, but for one of fewer blocks."""
    network = get_detector(Model(name="resnet50", **options)).network.clone(stages=(1, 2))
    init = jax.jit(partial(network.init, train=True))
    return init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))["params"]


def test_head_starts_at_the_published_scale():
    head = fresh(width=64)["fc"]
    assert float(head["kernel"].std()) == pytest.approx(0.02, rel=0.1)
    assert float(jnp.abs(head["bias"]).max()) == 0


@pytest.mark.parametrize("zero", [True, False])
def test_residual_blocks_start_as_their_shortcut_or_as_torchvision_s(zero):
    params = fresh(width=8, zero_init_residual=zero)
    assert float(params["layer2_1"]["bn3"]["scale"].max()) == (0.0 if zero else 1.0)
    assert float(params["layer2_1"]["bn2"]["scale"].min()) == 1.0


def batch_norm(x, *, unbiased=True, groups=1):
    module = BatchNorm(unbiased=unbiased, groups=groups)
    variables = module.init(jax.random.key(0), x, train=True)
    y, updated = module.apply(variables, x, train=True, mutable=["batch_stats"])
    return np.asarray(y), jax.device_get(updated["batch_stats"])


X = np.random.default_rng(0).normal(2.0, 3.0, (4, 3, 5, 2)).astype(np.float32)


@pytest.mark.parametrize("unbiased", [True, False])
def test_running_statistics_are_torch_s_or_flax_s(unbiased):
    y, kept = batch_norm(X, unbiased=unbiased)
    mean, var = X.mean((0, 1, 2)), X.var((0, 1, 2))
    np.testing.assert_allclose(y, (X - mean) / np.sqrt(var + 1e-5), atol=1e-5)
    np.testing.assert_allclose(kept["mean"], 0.1 * mean, rtol=1e-5)
    expected = X.var((0, 1, 2), ddof=1) if unbiased else var
    np.testing.assert_allclose(kept["var"], 0.9 + 0.1 * expected, rtol=1e-5)


def test_groups_are_normalised_apart():
    y, kept = batch_norm(X, groups=2)
    halves = [batch_norm(X[:2]), batch_norm(X[2:])]
    np.testing.assert_allclose(y, np.concatenate([h[0] for h in halves]), atol=1e-6)
    np.testing.assert_allclose(
        kept["var"], np.mean([h[1]["var"] for h in halves], axis=0), rtol=1e-6
    )


def test_evaluation_uses_the_running_statistics_of_each_image_alone():
    detector = get_detector(Model(name="resnet18", width=8))
    variables = detector.random(1, size=32)
    images = torchvision.images(3, 32)
    apply = jax.jit(detector.apply)
    together = apply(variables, images)
    alone = [apply(variables, images[i : i + 1])[0] for i in range(3)]
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize(
    ("stride", "shape"), [(1, (2, 5, 4, 6)), (2, (2, 5, 4, 6)), (2, (3, 8, 8, 1))]
)
def test_a_pointwise_convolution_is_flax_s_with_its_gradients(stride, shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    variables = flax_conv(3, 1, stride=stride, name=None).init(jax.random.key(0), x)

    def squares(module):
        def loss(kernel, x):
            return (module.apply({"params": {"kernel": kernel}}, x) ** 2).sum()

        return jax.value_and_grad(loss, argnums=(0, 1))(variables["params"]["kernel"], x)

    with written_for("cpu"):
        ours = conv(3, 1, stride=stride, name=None)
    assert not isinstance(ours, type(flax_conv(3, 1, name=None)))
    expected, found = (squares(flax_conv(3, 1, stride=stride, name=None)), squares(ours))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5), expected, found
    )
    made = ours.init(jax.random.key(0), x)
    np.testing.assert_array_equal(made["params"]["kernel"], variables["params"]["kernel"])
