"""Our max-pooling against flax's: values, gradients, ties, and what XLA is given to compile."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdet.config import Model, Optim
from jaxdet.models.detector import get_detector
from jaxdet.models.pooling import max_pool
from jaxdet.runtime.mesh import make_mesh
from jaxdet.train.state import TrainState, make_optimizer
from jaxdet.train.step import make_train_step

# Window, strides, padding, side, dtype: the stem of a ResNet with and without its stride, a VGG's
# pools, with rows and columns left over, and a stride beyond the window.
GEOMETRIES = [
    (3, 2, 1, 13, "float32"),
    (3, 2, 1, 12, "bfloat16"),
    (3, 1, 1, 7, "float32"),
    (2, 2, 0, 9, "float32"),
    (2, 3, 0, 11, "float32"),
]


def pooled_and_gradient(pool, x, weights, window, stride, pad):
    def total(x):
        pooled = pool(x, (window, window), strides=(stride, stride), padding=((pad, pad),) * 2)
        return (pooled * weights(pooled.shape)).sum(), pooled

    (_, pooled), gradient = jax.jit(jax.value_and_grad(total, has_aux=True))(x)
    return np.asarray(pooled), np.asarray(gradient)


@pytest.mark.parametrize(("window", "stride", "pad", "side", "dtype"), GEOMETRIES)
def test_values_and_gradients_are_flax_s_ties_included(window, stride, pad, side, dtype):
    rng = np.random.default_rng(0)
    # A ReLU's output of few levels: most windows hold their maximum more than once.
    levels = np.maximum(rng.integers(-3, 3, (2, side, side, 3)), 0)

    def weights(shape):
        # Sums of small whole numbers are exact, in whatever order they are added.
        return jnp.asarray(np.random.default_rng(1).integers(-4, 5, shape), dtype)

    x = jnp.asarray(levels, dtype)
    ours = pooled_and_gradient(max_pool, x, weights, window, stride, pad)
    flax = pooled_and_gradient(nn.max_pool, x, weights, window, stride, pad)
    for our, their in zip(ours, flax, strict=True):
        assert our.dtype == their.dtype
        assert np.array_equal(our, their)
    assert np.any(ours[1])


def test_the_first_maximum_takes_the_gradient():
    x = jnp.ones((1, 2, 2, 1))
    gradient = jax.grad(lambda x: max_pool(x, (2, 2), strides=(2, 2)).sum())(x)
    assert gradient[0, :, :, 0].tolist() == [[1, 0], [0, 0]]


def text_for_gpus(model):
    """StableHLO of a training step, lowered for CUDA."""
    detector, mesh = get_detector(model), make_mesh(1)
    optimizer = make_optimizer(Optim())

    def first():
        variables = detector.init(jax.random.key(0), size=32)
        return TrainState(jnp.zeros((), jnp.int32), variables, optimizer.init(variables["params"]))

    step = make_train_step(detector, optimizer, mesh, seed=0)
    image = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.uint8)
    label = jax.ShapeDtypeStruct((2,), jnp.int32)
    traced = jax.jit(lambda state, image, label: step(state, image, label, 1e-3)).trace(
        jax.eval_shape(first), image, label
    )
    return traced.lower(lowering_platforms=("cuda",)).as_text()


@pytest.mark.parametrize("name", ["resnet18", "vgg11"])
def test_a_training_step_needs_no_select_and_scatter(name):
    assert "select_and_scatter" not in text_for_gpus(Model(name=name, width=4))


def test_flax_s_pooling_would():
    def total(x):
        return nn.max_pool(x, (3, 3), strides=(2, 2)).sum()

    lowered = jax.jit(jax.grad(total)).trace(jnp.ones((1, 9, 9, 1)))
    assert "select_and_scatter" in lowered.lower(lowering_platforms=("cuda",)).as_text()
