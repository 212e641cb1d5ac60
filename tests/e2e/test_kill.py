"""SIGTERM and SIGKILL at the worst moments, for real: the run ends with the same bits."""

import re
import signal

import pytest

from jaxdet.results import RunFolder
from tests.e2e.conftest import main_arguments
from tests.e2e.watching import differences, logged, unfinished_checkpoints, wait_for

# Wide enough for a checkpoint to take a while to write.
OPTIONS = {"model__width": 48, "optim__max_epochs": 3, "checkpoint__every_steps": 4}
STEPS_PER_EPOCH = 6


def kill_when(process, moment):
    """Kills the process once `moment()` is true; fails where it ends before."""
    wait_for(process, moment)
    process.kill()
    process.communicate()


@pytest.fixture
def uninterrupted(dataset, tmp_path, finish):
    run = RunFolder(tmp_path / "whole")
    status, _, err = finish("jaxdet.main", *main_arguments(dataset, run.path, **OPTIONS))
    assert status == 0, err
    return run


def test_a_run_stopped_and_killed_in_training_validation_and_saving_ends_with_the_same_bits(
    dataset, tmp_path, command, finish, uninterrupted
):
    run = RunFolder(tmp_path / "killed")
    arguments = main_arguments(dataset, run.path, **OPTIONS)

    # Not yet killed: asked to end in the first epoch, which saves at once.
    process = command("jaxdet.main", *arguments)
    wait_for(process, lambda: logged(run, "train/loss"))
    process.send_signal(signal.SIGTERM)
    err = process.communicate()[1]
    assert process.returncode == 75, err
    saved = int(re.search(r"stopped by SIGTERM, saved at step (\d+)", err)[1])
    assert any((place / str(saved)).is_dir() for place in (run.checkpoints, run.unvalidated))

    # In training: past the checkpoint that was saved at the signal.
    kill_when(
        command("jaxdet.main", *arguments),
        lambda: max(logged(run, "train/loss"), default=0) > saved,
    )

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

    assert differences(run, uninterrupted) == []
