import dataclasses

import jax
import numpy as np
import pytest

from jaxdet.config import Augment, Config, Model, Optim
from jaxdet.errors import UserError
from jaxdet.models.detector import get_detector
from jaxdet.runtime.mesh import check_divides, make_mesh, put_batch, put_replicated
from jaxdet.train.losses import binary_cross_entropy
from jaxdet.train.start import initial_variables
from jaxdet.train.state import make_optimizer, new_state
from jaxdet.train.step import make_train_step
from tests.golden import torchvision

CONFIG = Config(
    augment=Augment(crop=32), model=Model(name="resnet18", width=8), optim=Optim(batch_size=8)
)
IMAGES = torchvision.images(8, 32)
LABELS = np.arange(8, dtype=np.int32) % 2


def losses(devices, steps):
    mesh = make_mesh(devices)
    detector = get_detector(CONFIG.model)
    state = new_state(CONFIG, initial_variables(CONFIG, detector, mesh), mesh)
    step = make_train_step(detector, make_optimizer(CONFIG.optim), mesh, seed=CONFIG.seed)
    found = []
    for _ in range(steps):
        batch = put_batch(mesh, {"image": IMAGES, "label": LABELS})
        state, scalars = step(state, batch["image"], batch["label"], 1e-3)
        found.append(float(scalars["loss"]))
    assert int(state.step) == steps
    return found


def test_the_same_batch_is_learnt():
    # Blocks that start as their shortcuts (zero_init_residual) take a few steps to open.
    found = losses(1, 40)
    assert found[-1] < found[0] / 2


VGG = Model(name="vgg11", width=4)


def vgg_stepper(seed):
    """A function (state, steps) -> (state, logits of each step) of a VGG-11 that drops by seed."""
    mesh, detector = make_mesh(1), get_detector(VGG)
    step = make_train_step(detector, make_optimizer(CONFIG.optim), mesh, seed=seed)

    def go(state, steps):
        state, logits = put_replicated(mesh, state), []
        for _ in range(steps):
            batch = put_batch(mesh, {"image": IMAGES, "label": LABELS})
            state, scalars = step(state, batch["image"], batch["label"], 1e-3)
            logits.append(np.asarray(scalars["logit"]))
        return jax.device_get(state), logits

    return go


@pytest.mark.slow
def test_dropout_follows_from_the_seed_and_the_step_alone():
    config = dataclasses.replace(CONFIG, model=VGG)
    variables = initial_variables(config, get_detector(VGG), make_mesh(1))
    first = jax.device_get(new_state(config, variables, make_mesh(1)))
    go = vgg_stepper(seed=3)
    _, whole = go(first, 4)
    half, _ = go(first, 2)
    _, rest = go(half, 2)
    assert np.array_equal(rest, whole[2:])
    _, other = vgg_stepper(seed=4)(first, 1)
    assert not np.array_equal(other[0], whole[0])


def test_dropout_is_off_outside_training():
    detector = get_detector(VGG)
    variables = detector.random(0, size=32)
    first, second = (detector.apply(variables, IMAGES) for _ in range(2))
    assert np.array_equal(first, second)
    kept, _ = detector.apply_train(variables, IMAGES, rng=jax.random.key(1))
    assert not np.allclose(kept, first, atol=1e-7)


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn"])
def test_bfloat16_maps_leave_state_and_scalars_in_float32(name):
    model = Model(name=name, width=4, dtype="bfloat16")
    detector = get_detector(model)
    variables = jax.eval_shape(lambda: detector.init(jax.random.key(0), size=32))
    logit, stats = jax.eval_shape(
        lambda v: detector.apply_train(v, IMAGES, rng=jax.random.key(1)), variables
    )
    assert logit.dtype == np.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(stats)} == {np.dtype(np.float32)}
    maps = jax.make_jaxpr(detector.apply)(variables, IMAGES)
    convolutions = [e for e in maps.eqns if e.primitive.name == "conv_general_dilated"]
    assert convolutions
    assert all(e.outvars[0].aval.dtype == "bfloat16" for e in convolutions)


def test_loss_is_the_mean_cross_entropy():
    logit, label = np.array([-2.0, 0.5, 30.0, -40.0]), np.array([0, 1, 1, 1])
    probability = 1 / (1 + np.exp(-logit))
    expected = -np.mean(np.log(np.where(label == 1, probability, 1 - probability)))
    assert float(binary_cross_entropy(logit, label)) == pytest.approx(expected, rel=1e-6)


def test_devices_must_be_there_and_divide_the_batch():
    with pytest.raises(UserError, match=r"runtime.devices=9, but there are 4"):
        make_mesh(9)
    with pytest.raises(UserError, match=r"optim.batch_size=6 is not divided by the 4 devices"):
        check_divides(make_mesh(4), batch_size=6, option="optim.batch_size")


def test_optimizer_is_torch_s_adam():
    """Two steps by hand with torch's formula: epsilon outside the root, bias-corrected."""
    gradients = [np.array([0.3, -2.0]), np.array([-0.1, 1e-9])]
    optimizer = make_optimizer(Optim())
    state = optimizer.init(np.zeros(2))
    m = v = np.zeros(2)
    for t, g in enumerate(gradients, start=1):
        direction, state = optimizer.update(jax.numpy.asarray(g), state)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        expected = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        np.testing.assert_allclose(direction, expected, rtol=1e-4)
