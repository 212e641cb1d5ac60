"""Updates that are not finite: what the compiled step leaves alone, what becomes of the run."""

import dataclasses
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from jaxdet.config import Config, Model, Optim
from jaxdet.errors import RunFailedError
from jaxdet.models.detector import get_detector
from jaxdet.results import RunFolder
from jaxdet.runtime.mesh import make_mesh, put_batch
from jaxdet.train.position import Position
from jaxdet.train.record import record, write_metrics
from jaxdet.train.start import initial_variables
from jaxdet.train.state import make_optimizer, new_state
from jaxdet.train.step import make_train_step
from jaxdet.train.updates import Update
from jaxdet.workdir.files import read_json
from tests.train.test_step import CONFIG, IMAGES, LABELS

# Batch normalisation, and quick to compile.
MODEL = Model(name="dcgan", width=4)


def make_stepper(*, skip):
    """A function: variables to the state before and after one step, and the step's scalars."""
    mesh, detector = make_mesh(1), get_detector(MODEL)
    step = make_train_step(detector, make_optimizer(Optim()), mesh, seed=0, skip_nonfinite=skip)

    def go(variables):
        state = new_state(CONFIG, variables, mesh)
        before = jax.device_get(state)
        batch = put_batch(mesh, {"image": IMAGES, "label": LABELS})
        after, scalars = step(state, batch["image"], batch["label"], 1e-3)
        return before, jax.device_get(after), jax.device_get(scalars)

    return go


def equal(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_a_skipped_update_keeps_the_bits_of_all_but_the_step_and_others_are_made():
    config = dataclasses.replace(CONFIG, model=MODEL)
    variables = initial_variables(config, get_detector(MODEL), make_mesh(1))
    skipping, plain = make_stepper(skip=True), make_stepper(skip=False)

    before, after, scalars = skipping(jax.tree.map(lambda leaf: leaf * 1e30, variables))
    assert not np.isfinite(scalars["loss"])
    assert (before.step, after.step) == (0, 1)
    assert before.variables["batch_stats"]
    assert equal(before.variables, after.variables)
    assert equal(before.optimizer, after.optimizer)

    (before, after, _), (_, expected, _) = skipping(variables), plain(variables)
    assert not equal(before.variables, after.variables)
    # XLA fuses the two programs unlike: equal up to rounding, which Adam's first step enlarges.
    for ours, theirs in zip(jax.tree.leaves(after), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.fixture
def trained(tmp_path):
    """The parts of a run of nine images and no more than what records of its steps need."""

    def make(**optim):
        ids = [f"0_real/{i}.png" for i in range(9)]
        return SimpleNamespace(
            config=dataclasses.replace(Config(), optim=Optim(**optim)),
            run=RunFolder(tmp_path),
            train_set=SimpleNamespace(ids=ids),
            checkpoints=SimpleNamespace(wait=lambda: None, latest_step=lambda: 6),
            mesh=make_mesh(1),
            steps_per_epoch=4,
        )

    return make


FIRST = Position(state=None, step=0, epoch=0, plateau=None)


class Lines(list):
    """Takes the place of a logbook."""

    def write(self, step, epoch, values):
        self.append((step, epoch, values))


def add(parts, position, step, loss, norm=1.0):
    rows = {"image": IMAGES, "label": LABELS, "index": np.arange(8), "bad": np.full(8, -1)}
    scalars = {"loss": np.float32(loss), "grad_norm": np.float32(norm)}
    scalars |= {"logit": LABELS - 0.5, "label": LABELS}
    update = Update(step=step, rate=1e-3, batch=rows, scalars=scalars)
    return record(parts, position, None, update)


def test_skipped_updates_are_in_no_mean_and_counted(trained):
    parts, lines = trained(on_nonfinite="skip", max_skipped=2), Lines()
    position = FIRST
    for step, loss in ((1, 2.0), (2, np.nan), (3, 4.0)):
        position = add(parts, position, step, loss)
    position = write_metrics(parts, position, lines)
    ((step, epoch, values),) = lines
    assert (step, epoch, position.skipped) == (3, 0.75, 1)
    assert values["train/loss"] == 3.0
    assert values["train/skipped"] == 1
    position = write_metrics(parts, add(parts, position, 4, 1.0, norm=np.inf), lines)
    assert lines[1:] == [(4, 1.0, {"train/skipped": 2})]
    position = write_metrics(parts, position, lines)
    assert len(lines) == 2
    position = add(parts, position, 5, np.inf)
    with pytest.raises(RunFailedError, match=r"step 5: .* 3 updates .* optim.max_skipped=2"):
        write_metrics(parts, position, lines)


def test_a_gradient_that_is_not_finite_stops_and_leaves_the_batch(trained, tmp_path):
    parts = trained()
    position = add(parts, FIRST, 7, 0.5, norm=np.inf)
    with pytest.raises(RunFailedError, match=r"step 7: loss 0.5, gradient norm inf.*replay"):
        add(parts, position, 8, 0.5)
    facts = read_json(tmp_path / "nonfinite" / "7" / "bundle.json")
    assert (facts["step"], facts["checkpoint"], facts["grad_norm"]) == (7, 6, "inf")
    assert facts["image_ids"] == [f"0_real/{i}.png" for i in range(8)]
    arrays = np.load(tmp_path / "nonfinite" / "7" / "batch-0.npz")
    assert np.array_equal(arrays["image"], IMAGES)
