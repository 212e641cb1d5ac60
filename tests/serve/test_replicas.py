"""`serve --engine=ray` with two replicas on a local Ray; needs the extras `serve` and `ray`."""

import collections
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import jaxdet
from tests.serve.servers import Server
from tests.serve.test_service import picture

pytest.importorskip("ray.serve", reason="needs the extra `ray`: pip install -e '.[serve,ray]'")
pytestmark = pytest.mark.slow

_CLIENTS = 4


def replicas(server):
    """Process ids of the service's replicas, which Ray's raylet, a child of the service, starts."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray::ServeReplica:jaxdet" not in (folder / "cmdline").read_bytes():
                continue
            raylet = _parent(folder)
            if _parent(Path("/proc", str(raylet))) == server.process.pid:
                found.append(int(folder.name))
        except OSError:
            continue  # it has ended meanwhile
    return found


def _parent(folder):
    return int((folder / "stat").read_text().rpartition(")")[2].split()[1])


def wait_for(condition, seconds=300):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.2)


def test_a_replica_killed_under_load_loses_what_it_was_answering_alone(weights):
    drawn = [picture(seed) for seed in range(8)]
    expected = jaxdet.load_detector(weights).score([pixels for pixels, _ in drawn])
    logits, failed, ended = collections.defaultdict(list), [], threading.Event()

    with Server(weights, "--engine=ray", "--replicas=2") as server:

        def ask(place):
            while not ended.is_set():
                status, told, _ = server.score({"a.png": drawn[place % 8][1]})
                if status == 200:
                    logits[place % 8].append(told["results"][0]["logit"])
                else:
                    failed.append(status)
                    continue  # asks for the same again
                place += _CLIENTS + 1

        clients = [threading.Thread(target=ask, args=(place,)) for place in range(_CLIENTS)]
        for one in clients:
            one.start()
        wait_for(lambda: len(logits) == 8)
        first, second = replicas(server)
        os.kill(first, signal.SIGKILL)
        answered = sum(map(len, logits.values()))
        wait_for(lambda: len({*replicas(server)} - {first, second}) == 1)
        wait_for(lambda: sum(map(len, logits.values())) > answered + 2 * _CLIENTS)
        ended.set()
        for one in clients:
            one.join(timeout=120)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=300) == 0
        assert "is answered" in server.log()

    # Ray sends a request again unless a replica has accepted it: each client lost one at most.
    assert len(failed) <= _CLIENTS
    assert set(failed) <= {500}
    for place, found in logits.items():
        np.testing.assert_allclose(found, expected[place], atol=1e-5)


def test_weights_that_cannot_be_served_are_one_line_before_ray_starts(tmp_path, capfd):
    from jaxdet.serve.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main([f"--weights={tmp_path}/none", "--port=0", "--engine=ray", "--replicas=2"])
    assert ended.value.code == 2
    assert "none" in capfd.readouterr().err.splitlines()[-1]
