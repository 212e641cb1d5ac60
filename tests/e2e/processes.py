"""Several processes of one run on this machine, as any launcher may start them."""

import os
import socket
import subprocess
import sys

from tests.e2e.conftest import REPOSITORY

HEARTBEAT = 10


def start_processes(arguments, *, count=2, **variables):
    """`count` processes of `python -m jaxdet.main ARGUMENTS`, each with one CPU device."""
    address = f"localhost:{free_port()}"
    return [start(arguments, address, index, count, **variables) for index in range(count)]


def start(arguments, address, index, count, **variables):
    """One of them."""
    told = {
        "JAX_NUM_CPU_DEVICES": "1",
        "JAX_COORDINATOR_ADDRESS": address,
        "JAX_NUM_PROCESSES": str(count),
        "JAX_PROCESS_ID": str(index),
        "JAXDET_HEARTBEAT_SECONDS": str(HEARTBEAT),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "jaxdet.main", *map(str, arguments)],
        cwd=REPOSITORY, env={**os.environ, **told, **variables}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def free_port():
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]


def ends(processes):
    """(status, stderr) of each."""
    errs = [process.communicate(timeout=600)[1] for process in processes]
    return [(process.returncode, err) for process, err in zip(processes, errs, strict=True)]
