"""What a smaller memory asks for: batches in parts, and maps that are computed again."""

import dataclasses
from functools import partial

import jax
import numpy as np
import pytest

from jaxdet.config import Augment, Config, Data, Model, Optim
from jaxdet.data.splits import load_train_and_val
from jaxdet.errors import UserError
from jaxdet.models import resnet
from jaxdet.models.detector import get_detector
from jaxdet.results import RunFolder
from jaxdet.runtime.mesh import make_mesh, put_batch
from jaxdet.train import assemble
from jaxdet.train.start import initial_variables
from jaxdet.train.state import make_optimizer, new_state
from jaxdet.train.step import make_train_step
from tests.conftest import write_images
from tests.golden import torchvision

IMAGES = torchvision.images(8, 32)
LABELS = np.array([0, 1, 1, 0, 1, 0, 0, 1], np.int32)
CONFIG = Config(augment=Augment(crop=32), optim=Optim(batch_size=8))
# Two blocks: the smallest network with a shortcut of either kind.
NETWORK = partial(
    resnet.ResNet, block=resnet.Bottleneck, stages=(1, 1), width=8, zero_init_residual=False
)
PLAIN = dataclasses.replace(get_detector(Model(name="resnet50", width=8)), network=NETWORK())


def with_network(**changes):
    groups = changes.get("norm_groups", 1)
    return dataclasses.replace(PLAIN, network=NETWORK(**changes), norm_groups=groups)


def start(detector=PLAIN, *, devices=1, accumulate=1):
    """The step and the state before it."""
    mesh = make_mesh(devices)
    state = new_state(CONFIG, initial_variables(CONFIG, detector, mesh), mesh)
    optimizer = make_optimizer(CONFIG.optim)
    return make_train_step(detector, optimizer, mesh, seed=0, accumulate=accumulate), state


def one_step(detector=PLAIN, *, image=IMAGES, label=LABELS, devices=1, accumulate=1):
    step, state = start(detector, devices=devices, accumulate=accumulate)
    batch = put_batch(make_mesh(devices), {"image": image, "label": label})
    return jax.device_get(step(state, batch["image"], batch["label"], 1e-3))


def gradients(state):
    """In what Adam keeps: a tenth of the first ones."""
    return state.optimizer.mu


def assert_close(found, expected, *, tolerance):
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        # Of each array's own size: single values of a gradient are sums that nearly cancel.
        assert np.linalg.norm(ours - theirs) <= tolerance * np.linalg.norm(theirs) + 1e-7


@pytest.mark.parametrize("devices", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_parts_give_the_gradients_of_groups_that_are_normalised_apart(devices):
    # Part k of two has every second image, a group of the batch four neighbours.
    neighbours = np.arange(8).reshape(4, 2).T.reshape(-1)
    whole, expected = one_step(
        with_network(norm_groups=2),
        image=IMAGES[neighbours], label=LABELS[neighbours], devices=devices,
    )  # fmt: skip
    in_parts, found = one_step(devices=devices, accumulate=2)

    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    np.testing.assert_allclose(found["logit"][neighbours], expected["logit"], rtol=1e-4, atol=1e-6)
    assert np.array_equal(found["label"], LABELS)
    assert found["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-4)
    assert_close(gradients(in_parts), gradients(whole), tolerance=1e-4)


@pytest.mark.slow
def test_running_statistics_take_the_parts_in_one_by_one():
    in_parts, _ = one_step(accumulate=2)

    _, state = start()
    variables, forward = state.variables, jax.jit(PLAIN.apply_train)
    for part in (IMAGES[0::2], IMAGES[1::2]):
        _, stats = forward(variables, part, rng=jax.random.key(0))
        variables = {**variables, "batch_stats": stats}
    found, expected = (v["batch_stats"]["bn1"] for v in (in_parts.variables, variables))
    assert_close(found, jax.device_get(expected), tolerance=1e-5)


@pytest.mark.slow
def test_parts_draw_their_own_dropout():
    # Both parts have the same images: their logits differ by what was dropped alone.
    twice = np.repeat(IMAGES[:4], 2, axis=0)
    vgg = get_detector(Model(name="vgg11", width=4))
    _, scalars = one_step(vgg, image=twice, accumulate=2)
    assert not np.array_equal(scalars["logit"][0::2], scalars["logit"][1::2])


def test_blocks_computed_again_give_the_same_update():
    kept, expected = one_step()
    again, found = one_step(with_network(rematerialise=True))
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    assert_close(gradients(again), gradients(kept), tolerance=1e-4)
    # Their statistics are taken in once, not again with the maps.
    statistics = (state.variables["batch_stats"] for state in (again, kept))
    assert_close(*statistics, tolerance=1e-5)


def test_blocks_are_computed_again_in_what_the_compiler_is_given():
    # XLA for CPUs drops the barriers, and with them the second computing and the saving: memory
    # cannot be compared here.
    def barriers(detector):
        step, state = start(detector)
        return jax.jit(step).lower(state, IMAGES, LABELS, 1e-3).as_text().count("barrier")

    assert barriers(PLAIN) == 0
    assert barriers(with_network(rematerialise=True)) >= 2


def test_a_run_has_what_its_config_says(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(assemble, "make_train_step", lambda *_, **options: asked.update(options))
    for split in ("train", "val"):
        write_images(tmp_path / split / "cat", count=1)
    config = dataclasses.replace(
        CONFIG,
        data=Data(root=str(tmp_path)),
        model=Model(name="dct_resnet18", width=8),
        optim=Optim(batch_size=8, accumulate=2, rematerialise=True),
    )
    run, images = RunFolder(tmp_path / "run"), load_train_and_val(config)
    parts = assemble.assemble(config, *images, run=run, mesh=make_mesh(1), read_only=True)
    assert asked["accumulate"] == 2
    assert parts.detector.network.network.rematerialise


def test_networks_without_blocks_say_so():
    with pytest.raises(UserError, match=r"rematerialise: the network VGG"):
        get_detector(Model(name="vgg11")).rematerialised()
