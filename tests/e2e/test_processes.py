"""Several processes as one run: what comes of it, and what one does where another ends."""

import signal
from pathlib import Path

import numpy as np
import pytest

from jaxdet.results import Predictions, RunFolder, read_arrays, read_metrics, read_results
from tests.e2e import kill_twenty
from tests.e2e.conftest import main_arguments
from tests.e2e.processes import HEARTBEAT, ends, free_port, start, start_processes
from tests.e2e.watching import differences, logged, wait_for

OPTIONS = {"checkpoint__every_steps": 4, "runtime__log_every": 1, "runtime__devices": 0}
TOLERANCE = 1e-4
ENDED = "error: another process of this run has most likely ended; see what that one says, then "


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return kill_twenty.make_data(tmp_path_factory.mktemp("processes") / "data")


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory):
    """A run of two processes that nobody disturbed, and what they said."""
    run = RunFolder(tmp_path_factory.mktemp("whole") / "run")
    processes = start_processes(main_arguments(root, run.path, **OPTIONS))
    said = [process.communicate(timeout=600) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    return run, said


def test_nobody_at_the_address(tmp_path):
    address = f"localhost:{free_port()}"
    arguments = main_arguments(tmp_path, tmp_path / "run")
    alone = start(arguments, address, 1, 2, JAXDET_JOIN_SECONDS="1")
    [(status, err)] = ends([alone])
    assert status == 1
    assert err.splitlines()[-1] == (
        "error: JAX_COORDINATOR_ADDRESS: the 2 processes of this run have not come together at "
        f"{address} within 1 s (this is number 1); see that all are started, are told the "
        "same number of processes and reach the first one's port, or wait longer by "
        "JAXDET_JOIN_SECONDS"
    )
    assert "Traceback" not in err


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc")
def test_the_first_listens_where_it_is_told_and_says_that_a_port_is_taken(tmp_path):
    port = free_port()
    arguments = main_arguments(tmp_path, tmp_path / "run")
    first = start(arguments, f"127.0.0.1:{port}", 0, 2, JAXDET_JOIN_SECONDS="60")
    wait_for(first, lambda: listening(port))
    [place] = listening(port)
    assert place.endswith("0100007F")  # or 127.0.0.1 as IPv6 writes it
    [(status, err)] = ends([start(arguments, f"127.0.0.1:{port}", 0, 2)])
    first.kill()
    first.communicate()
    assert status == 2
    assert err == (
        f"error: 127.0.0.1:{port}: the port is taken on this machine, perhaps by another run or "
        "another first process of this one; give all processes another port\n"
    )


def listening(port):
    """The addresses on which somebody listens, as Linux writes them."""
    lines = "".join(Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6")).splitlines()
    fields = [line.split() for line in lines]
    return [one[1][:-5] for one in fields if one[1].endswith(f":{port:04X}") and one[3] == "0A"]


@pytest.mark.slow
def test_two_processes_give_what_one_gives(root, whole, tmp_path, finish):
    two, (first, second) = whole
    one = RunFolder(tmp_path / "one")
    arguments = main_arguments(root, one.path, **OPTIONS)
    status, _, err = finish("jaxdet.main", *arguments, JAX_NUM_CPU_DEVICES="1")
    assert status == 0, err
    ours, theirs = read_metrics(two.metrics), read_metrics(one.metrics)
    assert [line.keys() for line in ours] == [line.keys() for line in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        timeless = sorted(mine.keys() - {"images_per_second"})
        values = [[line[name] for name in timeless] for line in (mine, other)]
        np.testing.assert_allclose(*values, rtol=TOLERANCE, atol=TOLERANCE)
    sets = read_results(two.results).sets
    assert {name: found.ap for name, found in sets.items()} == {
        name: found.ap for name, found in read_results(one.results).sets.items()
    }
    for name in sets:
        mine, other = (read_arrays(run.predictions(name), Predictions) for run in (two, one))
        assert mine.id.tolist() == other.id.tolist()
        np.testing.assert_allclose(mine.logit, other.logit, rtol=TOLERANCE, atol=TOLERANCE)
    # The first alone speaks; what gloo says is not ours.
    assert "mean over sets" in first[0]
    assert [line for line in second[0].splitlines() if "[Gloo]" not in line] == []
    assert second[1] == ""


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_the_other_ends_when_one_is_killed_and_the_run_goes_on(victim, root, whole, tmp_path):
    run = RunFolder(tmp_path / "run")
    arguments = main_arguments(root, run.path, **OPTIONS)
    processes = start_processes(arguments)
    wait_for(processes[0], lambda: 5 in logged(run, "train/loss"))
    processes[victim].kill()
    # A minute for a busy machine: it takes less than the heartbeat.
    err = processes[1 - victim].communicate(timeout=HEARTBEAT + 60)[1]
    assert processes[1 - victim].returncode == 1, err
    assert err.splitlines()[-1].startswith(ENDED)
    assert "Traceback" not in err
    assert [status for status, _ in ends(start_processes(arguments))] == [0, 0]
    assert differences(run, whole[0]) == []


@pytest.mark.slow
def test_the_other_ends_when_a_machine_falls_silent(root, tmp_path):
    run = RunFolder(tmp_path / "run")
    first, second = start_processes(main_arguments(root, run.path, **OPTIONS))
    wait_for(first, lambda: 3 in logged(run, "train/loss"))
    second.send_signal(signal.SIGSTOP)
    try:
        err = first.communicate(timeout=HEARTBEAT + 120)[1]
    finally:
        second.kill()
        second.communicate()
    assert first.returncode == 1, err
    assert err.splitlines()[-1].startswith(ENDED)


@pytest.mark.slow
def test_a_mistake_is_the_end_of_all(tmp_path):
    arguments = main_arguments(tmp_path / "none", tmp_path / "run", **OPTIONS)
    for status, err in ends(start_processes(arguments)):
        assert status == 2, err
        assert err.splitlines()[-1].startswith(
            f"error: data.root={tmp_path / 'none'}: no such folder"
        )


@pytest.mark.slow
def test_the_same_command_once_more_does_not_end_the_run(root, tmp_path):
    """Its second process would be taken for the first run's, whose port it knows."""
    run = RunFolder(tmp_path / "run")
    arguments = main_arguments(root, run.path, **OPTIONS)
    address = f"localhost:{free_port()}"
    processes = [start(arguments, address, index, 2) for index in range(2)]
    wait_for(processes[0], lambda: 3 in logged(run, "train/loss"))
    again = [start(arguments, address, index, 2) for index in range(2)]
    for status, err in ends(again):
        assert status == 2
        assert "another process works on it (pid " in err
    assert [status for status, _ in ends(processes)] == [0, 0]
