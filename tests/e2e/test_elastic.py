"""Runs that go on with other numbers of devices and processes: the same images in each step, and
losses that differ by rounding alone."""

import json
import socket

import numpy as np
import pytest

# Relative. docs/reliability.md has what was measured.
TOLERANCE = 1e-5
STEPS = 12  # 2 epochs of 48 images, 8 a step; checkpoints after 4, 6, 8 and 12


@pytest.fixture
def train(dataset, tmp_path, command):
    """Trains run NAME from where it is; DEVICES over all HOSTS. Gives (ids, loss) of each step."""

    def start(name, *, devices, hosts=1, last=0):
        port = free_port()
        logs = [tmp_path / f"{name}-{devices}-{hosts}-{last}-{host}.log" for host in range(hosts)]
        processes = [
            command(
                "tests.e2e.elastic", dataset, tmp_path / name, devices, host, hosts, port, last,
                log, JAX_NUM_CPU_DEVICES=str(devices // hosts),
            )
            for host, log in enumerate(logs)
        ]  # fmt: skip
        for process in processes:
            _, err = process.communicate(timeout=500)
            assert process.returncode == (-9 if last else 0), err
        return joined([read(log) for log in logs])

    return start


def free_port():
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return one.getsockname()[1]


def read(log):
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return {line["step"]: (line["ids"], line["loss"]) for line in lines}


def joined(logs):
    """The global batch's ids, from each host's rows; the loss, which all hosts know alike."""
    assert all(log.keys() == logs[0].keys() for log in logs)
    steps = {}
    for step, (_, loss) in logs[0].items():
        assert {log[step][1] for log in logs} == {loss}
        steps[step] = ([i for log in logs for i in log[step][0]], loss)
    return steps


def check(whole, *parts):
    """The parts make up the whole: each step once, its images in their order, its loss near."""
    gone_on = {step: seen for part in parts for step, seen in part.items()}
    assert sum(map(len, parts)) == len(whole) == STEPS
    assert gone_on.keys() == whole.keys()
    assert [gone_on[s][0] for s in sorted(whole)] == [whole[s][0] for s in sorted(whole)]
    assert len({tuple(ids) for ids, _ in whole.values()}) == STEPS
    ours, theirs = (np.array([run[s][1] for s in sorted(whole)]) for run in (gone_on, whole))
    difference = np.abs(ours - theirs) / np.abs(theirs)
    print("relative differences of the losses:", " ".join(f"{d:.1e}" for d in difference))
    assert difference.max() < TOLERANCE


@pytest.mark.slow
def test_two_devices_then_one_then_four(train):
    whole = train("whole", devices=2)
    parts = [
        train("moved", devices=2, last=4),
        train("moved", devices=1, last=8),
        train("moved", devices=4),
    ]
    check(whole, *parts)


@pytest.mark.slow
def test_two_processes_then_one_then_two(train):
    whole = train("whole", devices=2, hosts=2)
    first = train("moved", devices=2, hosts=2, last=4)
    second = train("moved", devices=1, last=8)
    check(whole, first, second, train("moved", devices=2, hosts=2))
