"""Signals to real runs: everything is saved, the status says so, and the same bits come of it."""

import os
import re
import signal
import subprocess
import sys

import pytest

from jaxdet.results import RunFolder, read_metrics
from tests.conftest import write_images
from tests.e2e import kill_twenty
from tests.e2e.conftest import REPOSITORY, main_arguments
from tests.e2e.processes import ends, start_processes
from tests.e2e.watching import (
    differences,
    ended,
    left_over,
    logged,
    mark,
    shared_blocks,
    unfinished_checkpoints,
    wait_for,
    workers,
)

STEPS_PER_EPOCH = 6
OPTIONS = {"checkpoint__every_steps": 4, "runtime__log_every": 1}
AGAIN = "start the same command again to continue"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return kill_twenty.make_data(tmp_path_factory.mktemp("stop") / "data")


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory, finish):
    run = RunFolder(tmp_path_factory.mktemp("whole") / "run")
    status, _, err = finish("jaxdet.main", *main_arguments(root, run.path, **OPTIONS))
    assert status == 0, err
    return run


def in_a_step(run):
    return 3 in logged(run, "train/loss")


def in_a_validation(run):
    return STEPS_PER_EPOCH in logged(run, "train/loss")


def in_a_commit(run):
    return unfinished_checkpoints(run)


@pytest.mark.parametrize(
    ("moment", "signum", "status"),
    [
        (in_a_step, signal.SIGTERM, 75),
        (in_a_validation, signal.SIGTERM, 75),
        (in_a_commit, signal.SIGTERM, 75),
        (in_a_step, signal.SIGUSR1, 75),
        (in_a_validation, signal.SIGINT, 130),
    ],
)
def test_a_signal_saves_within_a_step_and_the_run_goes_on_with_the_same_bits(
    moment, signum, status, root, whole, tmp_path, command, finish
):
    run = RunFolder(tmp_path / "run")
    arguments = main_arguments(root, run.path, **OPTIONS)
    process = command("jaxdet.main", *arguments)
    wait_for(process, lambda: moment(run))
    process.send_signal(signum)
    seen = max(logged(run, "train/loss"))
    err = process.communicate()[1]
    assert process.returncode == status, err
    saved = int(re.search(rf"saved at step (\d+); {AGAIN}$", err.strip())[1])
    # A line is written when the step after has been launched, and seen a little later.
    assert saved - seen <= 2
    if moment is in_a_validation:
        assert (run.unvalidated / str(STEPS_PER_EPOCH)).is_dir()
        assert saved not in logged(run, "val/loss")
    assert not unfinished_checkpoints(run)
    status, out, err = finish("jaxdet.report", str(run.path), f"--out={tmp_path / 'report'}")
    assert status == 0, err
    assert re.search(rf"^Not finished: .* goes on from the newest checkpoint, step {saved}\.$",
                     out, re.MULTILINE)  # fmt: skip

    status, _, err = finish("jaxdet.main", *arguments)
    assert status == 0, err
    assert f"going on from step {saved}" in err
    assert differences(run, whole) == []


def test_two_processes_save_the_same_step_when_one_of_them_is_signalled(root, tmp_path):
    whole, run = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "run")
    arguments = [main_arguments(root, r.path, **OPTIONS, runtime__devices=0) for r in (whole, run)]
    assert [status for status, _ in ends(start_processes(arguments[0]))] == [0, 0]
    for moment in (in_a_step, lambda run: 2 * STEPS_PER_EPOCH in logged(run, "train/loss")):
        hosts = start_processes(arguments[1])
        wait_for(hosts[0], lambda moment=moment: moment(run))
        seen = max(logged(run, "train/loss"))
        hosts[1].send_signal(signal.SIGTERM)
        (first, err), (second, other) = ends(hosts)
        assert (first, second) == (75, 75), err + other
        assert err.splitlines()[-1] == other.splitlines()[-1]
        # The flag of each step is looked at one step later.
        assert int(re.search(r"saved at step (\d+)", err)[1]) - seen <= 3
    assert [status for status, _ in ends(start_processes(arguments[1]))] == [0, 0]
    assert differences(run, whole) == []


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_to_all_processes_of_a_run_leaves_nothing_and_says_one_thing(
    signum, root, tmp_path
):
    run, before = RunFolder(tmp_path / f"run-{signum.name}"), shared_blocks()
    options = {**OPTIONS, "runtime__worker_kind": "processes"}
    # `timeout` sends what it is sent to its child, and then to the child's process group.
    passing_on = ["timeout", "--preserve-status", f"--signal={signum.name}", "600"]
    process = subprocess.Popen(
        [*passing_on, sys.executable, "-m", "jaxdet.main",
         *main_arguments(root, run.path, **options)],
        cwd=REPOSITORY, env={**os.environ, **mark(run.path.name)}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    # As soon as they are there: their signals must be blocked before they have loaded anything.
    wait_for(process, lambda: len(workers(run.path.name)) == 2)
    process.send_signal(signum)
    err = process.communicate()[1]
    assert process.returncode == (130 if signum == signal.SIGINT else 75), err
    # A slow machine tells how far it is.
    noted, last = (
        line for line in err.splitlines() if not re.match(r"epoch 1 of \d+: \d/6 ", line)
    )
    assert noted == f"{signum.name}: ending at the next step; another signal after 2 s ends at once"
    assert last.endswith(AGAIN)
    assert ended(run.path.name)
    assert left_over(before) == []


def test_an_evaluation_that_is_signalled_keeps_its_scores(whole, tmp_path, command, finish):
    data = write_images(tmp_path / "data" / "test" / "many", count=150).parents[1]
    run = RunFolder(tmp_path / "run")
    arguments = main_arguments(
        data, run.path, task="eval", model__init=whole.path, optim__batch_size=1,
        runtime__workers=0,
    )  # fmt: skip
    process = command("jaxdet.main", *arguments)
    # The lock is taken when the work begins.
    wait_for(process, run.env.exists)
    process.send_signal(signal.SIGUSR1)
    err = process.communicate()[1]
    assert process.returncode == 75, err
    assert err.strip().endswith(f"stopped by SIGUSR1, the scores so far are saved; {AGAIN}")
    assert list(run.path.glob("predictions/.many.part-0.npz"))
    status, _, err = finish("jaxdet.main", *arguments)
    assert status == 0, err
    assert re.search(r"many \(crop\): going on after \d+ images", err)


def test_a_second_trainer_is_refused_and_readers_are_not(root, tmp_path, command, finish):
    run = RunFolder(tmp_path / "run")
    arguments = main_arguments(root, run.path, optim__max_epochs=500, runtime__log_every=1)
    first = command("jaxdet.main", *arguments)
    try:
        wait_for(first, lambda: list(run.checkpoints.glob("[0-9]*/metrics")))
        status, _, err = finish("jaxdet.main", *arguments)
        assert status == 2
        assert err.startswith(
            f"error: {run.path}: another process works on it (pid {first.pid} on "
        )
        assert len(err.splitlines()) == 1

        image = next((root / "test" / "alpha" / "0_real").iterdir())
        status, out, err = finish("jaxdet.predict", "--weights", run.path, image)
        assert (status, "real" in out or "fake" in out) == (0, True), err
        status, _, err = finish("jaxdet.report", run.path, f"--out={tmp_path / 'page'}")
        assert first.poll() is None
        evaluated = main_arguments(root, tmp_path / "eval", task="eval", model__init=run.path)
        status, _, err = finish("jaxdet.main", *evaluated)
        assert status == 0, err
        assert first.poll() is None
    finally:
        first.kill()
        first.communicate()


def test_a_finished_run_goes_on_under_a_changed_config_that_is_accepted(whole, root, finish):
    arguments = main_arguments(root, whole.path, **{**OPTIONS, "optim__max_epochs": 3})
    status, _, err = finish("jaxdet.main", *arguments)
    assert status == 2
    assert "optim.max_epochs: 2 -> 3" in err
    assert "--accept-config-changes" in err
    status, _, err = finish("jaxdet.main", *arguments, "--accept-config-changes")
    assert status == 0, err
    assert max(line["step"] for line in read_metrics(whole.metrics)) == 3 * STEPS_PER_EPOCH
    assert whole.earlier_config(1).exists()
    status, _, err = finish("jaxdet.main", *arguments)
    assert (status, "this run is finished" in err) == (0, True)


def test_a_run_killed_anywhere_ends_with_the_same_bits_and_leaves_nothing(tmp_path):
    assert kill_twenty.kill_at_moments(tmp_path, count=len(kill_twenty.MOMENTS), seed=1) == 0
