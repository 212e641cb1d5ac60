"""SIGKILL at the worst moments, for real: the run ends with the same bits all the same."""

import time

import jax
import numpy as np
import pytest

from jaxdet import config as schema
from jaxdet.files import read_json
from jaxdet.models.detector import get_detector
from jaxdet.results import RunFolder, read_metrics
from jaxdet.runtime.mesh import make_mesh
from jaxdet.train.start import open_checkpoints
from jaxdet.train.state import abstract_state
from tests.e2e.conftest import main_arguments

# Wide enough for a checkpoint to take a while to write.
OPTIONS = {"model__width": 48, "optim__max_epochs": 3, "checkpoint__every_steps": 4}
STEPS_PER_EPOCH = 6


def kill_when(process, moment):
    """Kills the process once `moment()` is true; fails where it ends before."""
    deadline = time.monotonic() + 240
    while not moment():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "the moment did not come"
        time.sleep(0.0005)
    process.kill()
    process.communicate()


def logged(run, name):
    return [line["step"] for line in read_metrics(run.metrics) if name in line]


def unfinished_checkpoints(run):
    return list(run.checkpoints.glob("*tmp*"))


def final_state(run):
    """All arrays of the newest checkpoint, by their place."""
    config = schema.from_json_dict(read_json(run.config))
    checkpoints = open_checkpoints(run, config, read_only=True)
    like = abstract_state(config, get_detector(config.model), make_mesh(1))
    restored = checkpoints.restore(checkpoints.latest_step(), like)
    checkpoints.close()
    return restored.step, {
        jax.tree_util.keystr(path): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(restored.state)
    }


def comparable(run):
    """The metrics without the clock's."""
    timed = ("images_per_second",)
    return [{k: v for k, v in x.items() if k not in timed} for x in read_metrics(run.metrics)]


@pytest.fixture
def uninterrupted(dataset, tmp_path, finish):
    run = RunFolder(tmp_path / "whole")
    status, _, err = finish("jaxdet.main", *main_arguments(dataset, run.path, **OPTIONS))
    assert status == 0, err
    return run


def test_a_run_killed_in_training_validation_and_saving_ends_with_the_same_bits(
    dataset, tmp_path, command, finish, uninterrupted
):
    run = RunFolder(tmp_path / "killed")
    arguments = main_arguments(dataset, run.path, **OPTIONS)

    # In training: within the first epoch, past its checkpoint at step 4 or before it.
    kill_when(command("jaxdet.main", *arguments), lambda: logged(run, "train/loss"))
    assert not logged(run, "val/loss")

    # While a checkpoint is written: its folder still has its temporary name.
    kill_when(command("jaxdet.main", *arguments), lambda: unfinished_checkpoints(run))
    assert unfinished_checkpoints(run)

    # In validation: the epoch's last training line is there, its validation line is not.
    kill_when(
        command("jaxdet.main", *arguments),
        lambda: 2 * STEPS_PER_EPOCH in logged(run, "train/loss"),
    )
    assert 2 * STEPS_PER_EPOCH not in logged(run, "val/loss")

    status, _, err = finish("jaxdet.main", *arguments)
    assert status == 0, err
    assert "going on from step" in err

    step, whole = final_state(uninterrupted)
    again, resumed = final_state(run)
    assert step == again == 3 * STEPS_PER_EPOCH
    assert whole.keys() == resumed.keys()
    different = [name for name in whole if not np.array_equal(whole[name], resumed[name])]
    assert different == []
    assert comparable(run) == comparable(uninterrupted)
    assert run.results.read_bytes() == uninterrupted.results.read_bytes()
    for path in (uninterrupted.validation, *(uninterrupted.path / "predictions").iterdir()):
        one, other = np.load(path), np.load(run.path / path.relative_to(uninterrupted.path))
        assert all(np.array_equal(one[name], other[name]) for name in one.files)
