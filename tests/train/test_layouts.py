import jax
import numpy as np
import pytest

from jaxdet.config import Augment, Config, Model, Optim
from jaxdet.models.detector import get_detector
from jaxdet.runtime import layouts
from jaxdet.runtime.checkpoint import Checkpoints
from jaxdet.runtime.mesh import make_mesh, put_batch, replicated
from jaxdet.scoring.launch import make_score_step
from jaxdet.train.start import initial_variables
from jaxdet.train.state import make_optimizer, new_state
from jaxdet.train.step import make_train_step
from tests.golden import torchvision

CONFIG = Config(
    model=Model(name="dcgan", width=4), augment=Augment(crop=32), optim=Optim(batch_size=8)
)
IMAGES = torchvision.images(8, 32)
LABELS = np.arange(8, dtype=np.int32) % 2


@pytest.fixture
def as_on_gpu(monkeypatch):
    monkeypatch.setattr(layouts, "_PLATFORMS", ("cpu",))


def stepper(accumulate=1, devices=1):
    mesh, detector = make_mesh(devices), get_detector(CONFIG.model)
    first = new_state(CONFIG, initial_variables(CONFIG, detector, mesh), mesh)
    step = make_train_step(
        detector, make_optimizer(CONFIG.optim), mesh, seed=0, accumulate=accumulate
    )

    def go(state, steps):
        for _ in range(steps):
            batch = put_batch(mesh, {"image": IMAGES, "label": LABELS})
            state, _ = step(state, batch["image"], batch["label"], 1e-3)
        return state

    return first, go


def orders(tree):
    return {leaf.format.layout.major_to_minor for leaf in jax.tree.leaves(tree) if leaf.ndim == 4}


def worst(left, right):
    found = jax.tree.map(lambda a, b: np.abs(np.asarray(a) - np.asarray(b)).max(), left, right)
    return max(jax.tree.leaves(found))


def scores(state, devices):
    mesh = make_mesh(devices)
    step = make_score_step(get_detector(CONFIG.model), mesh)
    beside = {"valid": np.ones(8, bool), "sharpness": np.ones(8, np.float32)}
    return step(state.variables, put_batch(mesh, {"image": IMAGES, **beside}))["logit"]


@pytest.mark.parametrize(
    ("accumulate", "devices"), [(1, 2), pytest.param(2, 1, marks=pytest.mark.slow)]
)
def test_a_state_is_trained_in_the_layout_of_gradients(as_on_gpu, monkeypatch, accumulate, devices):
    first, go = stepper(accumulate, devices)
    state = go(first, 3)
    assert orders((state.variables["params"], state.optimizer)) == {(3, 0, 1, 2)}

    # Validation takes the variables as they lie.
    placed = jax.device_put(jax.device_get(state), replicated(make_mesh(devices)))
    assert np.array_equal(scores(state, devices), scores(placed, devices))

    monkeypatch.undo()
    plain, go = stepper(accumulate, devices)
    plain = go(plain, 3)
    assert orders((plain.variables["params"], plain.optimizer)) == {(0, 1, 2, 3)}
    # Adam's first steps turn roundings of small gradients into whole steps of the rate.
    assert worst(state.variables, plain.variables) < 3e-3
    assert worst(state.optimizer.mu, plain.optimizer.mu) < 1e-5


def test_a_state_is_saved_in_the_order_of_its_axes_and_goes_on_to_the_same_bits(
    as_on_gpu, tmp_path
):
    first, go = stepper()
    half = go(first, 2)
    checkpoints = Checkpoints(tmp_path, keep_latest=1, ranks=())
    checkpoints.save(2, half, host={}, ranks=None)
    checkpoints.wait()
    kept = jax.device_get(half)
    whole = go(half, 2)
    restored = checkpoints.restore(2, stepper()[0]).state
    checkpoints.close()
    assert orders(restored) == {(0, 1, 2, 3)}
    assert worst(restored, kept) == 0
    assert worst(go(restored, 2), whole) == 0
