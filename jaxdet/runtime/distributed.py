"""Joins several processes to one run before any device is touched, and parts them again.

Where no launcher announces several (`clusters.py`) nothing is done at all. JAX ends a process in
which one of its calls to the others fails by abort(3), and answers no signal while it waits: so
its calls are made in a thread, and the limits that end in a clear line are ours.
"""

import contextlib
import ctypes
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from jax._src.clusters import ClusterEnv  # what initialize asks, before the address can be tried

from jaxdet import progress, streams
from jaxdet.errors import RunFailedError, Stopped, UserError, guard
from jaxdet.ranges import parse_number
from jaxdet.runtime import environment
from jaxdet.runtime.clusters import SWITCH, Cluster, find_cluster
from jaxdet.runtime.coordinator import listening_address, resolve
from jaxdet.runtime.hosts import ENDED, comparing
from jaxdet.runtime.lock import refuse_if_locked

# How long the processes wait for each other at the start, seconds. JAX's own is the same.
JOIN_SECONDS = "JAXDET_JOIN_SECONDS", 300.0
# After how long without a sign of life a process counts as dead, seconds. JAX's own is the same.
HEARTBEAT_SECONDS = "JAXDET_HEARTBEAT_SECONDS", 100.0
# JAX's limits beyond ours: at the start, where ours ends with a line; and at the end, where the
# others wait for the first, whose analyses and report may take hours.
_LATER = 60
_WEEK = 7 * 24 * 3600
# For the others to end alike, so that all leave with their own line: where one leaves before, JAX
# aborts the others.
_FAREWELL_SECONDS = 5.0
_POLL_SECONDS = 0.1
# In what fails where another process is gone: what gloo, NCCL and JAX's own service call it.
_SIGNS_OF_OTHERS = ("Gloo", "NCCL", "onnection reset", "onnection closed", "CoordinationService")
_REFUSED = (
    "the first process of this run refused this one, see above: another of this number is there, "
    "or it was told another number of processes; see what the launcher or JAX_NUM_PROCESSES and "
    "JAX_PROCESS_ID say"
)
_LIBC = ctypes.CDLL(None)
# Set while this process joins the others, when JAX aborts for another reason than later.
_joining = threading.Event()


@contextlib.contextmanager
def joined(options: Mapping[str, Any], locks: Sequence[Path]) -> Iterator[None]:
    """Runs the body as one of several processes, where a launcher announces them.

    All but the first say nothing, but for mistakes and failures, which end the process here.

    Args:
      options: what each process is to do, by the names of options; alike in all of them.
      locks: of the runs. Where one is held the same command is at work already, and JAX would end
        that one's processes when others of their numbers join.

    Raises:
      UserError: where the launcher does not say enough.
    """
    cluster = find_cluster(os.environ)
    if cluster is None:
        yield
        return
    for lock in locks:
        refuse_if_locked(lock)
    lost = threading.Event()
    try:
        with guard(), _explaining(lost):
            _connect(cluster, lost)
            with comparing("the start", limit=join_seconds()) as facts:
                facts.update({**options, **environment.software()})
            progress.hush(jax.process_index() > 0)
            yield
    except SystemExit as end:
        # Not by Python's own way out, where JAX waits for processes that may wait for this one.
        if not lost.is_set():
            _say_farewell()
        with contextlib.suppress(OSError):
            streams.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
    _call(jax.distributed.shutdown)


@contextlib.contextmanager
def _explaining(lost: threading.Event) -> Iterator[None]:
    """Makes one line of what other processes' ends do here; `lost`: they will not answer."""
    try:
        yield
    except Stopped as stop:
        # All are signalled, mostly, and each ends at a place of its own.
        if not stop.together:
            _say_farewell()
        raise
    except (UserError, RunFailedError, BrokenPipeError):
        raise
    except Exception as error:
        # Of several types: ValueError and JaxRuntimeError have been seen for one and the same.
        if any(sign in str(error) for sign in _SIGNS_OF_OTHERS):
            lost.set()
            first = str(error).strip().partition("\n")[0][:300]
            raise RunFailedError(f"{ENDED} ({first})") from None
        if isinstance(error, OSError):
            raise
        traceback.print_exc()
        raise RunFailedError("ended by the exception above") from None


def _connect(cluster: Cluster, lost: threading.Event) -> None:
    limit, heartbeat = join_seconds(), _seconds(*HEARTBEAT_SECONDS)
    deadline = time.monotonic() + limit
    # It would take SIGTERM for itself; `signals` agrees on the end of a run.
    jax.config.update("jax_enable_preemption_service", False)
    _LIBC.signal(signal.SIGABRT, _aborted)

    def initialize() -> None:
        address, processes, index, devices = _place(cluster, limit)
        bind = None
        if address is not None:
            resolve(address, deadline=deadline)
            bind = listening_address(address, deadline=deadline) if index == 0 else None
        jax.distributed.initialize(
            address,
            processes,
            index,
            devices,
            cluster_detection_method="deactivate",
            coordinator_bind_address=bind,
            initialization_timeout=int(limit) + _LATER,
            heartbeat_timeout_seconds=int(heartbeat),
            shutdown_timeout_seconds=_WEEK,
        )

    try:
        _joining.set()
        _call(initialize, limit=limit)
        _joining.clear()
    except TimeoutError:
        lost.set()
        raise RunFailedError(_nobody(cluster, limit)) from None
    except (RuntimeError, ValueError, OSError) as error:
        raise RunFailedError(
            f"{cluster.name} announces several processes ({SWITCH}=off for a run alone): {error}"
        ) from None
    if cluster.devices is not None and not os.environ.get("JAX_LOCAL_DEVICE_IDS"):
        for platform in ("cuda", "rocm"):
            jax.config.update(f"jax_{platform}_visible_devices", cluster.devices)


def _place(
    cluster: Cluster, limit: float
) -> tuple[str | None, int | None, int | None, Sequence[int] | None]:
    """Returns the first one's address, how many there are, which this is, and its devices."""
    if cluster.method == "deactivate":
        return cluster.address, cluster.processes, cluster.index, None
    address, processes, index, devices = ClusterEnv.auto_detect_unset_distributed_params(
        cluster.address, cluster.processes, cluster.index, None, cluster.method, int(limit)
    )
    # The variable is JAX's to read.
    devices = None if os.environ.get("JAX_LOCAL_DEVICE_IDS") else devices
    return address, processes, index, devices


@ctypes.CFUNCTYPE(None, ctypes.c_int)
def _aborted(signum: int) -> None:
    """Ends the process where JAX's own thread aborts it: another is dead, or refuses this one.

    Python's handlers would run in the main thread, later: there is no later.
    """
    del signum
    line, status = (_REFUSED, 2) if _joining.is_set() else (f"{ENDED} (aborted, see above)", 1)
    os.write(2, f"error: {line}\n".encode())
    os._exit(status)


def _say_farewell() -> None:
    """Disconnects from the others where they end now, too; leaves them where they do not."""
    with contextlib.suppress(TimeoutError, RuntimeError):
        _call(jax.distributed.shutdown, limit=_FAREWELL_SECONDS)


def _nobody(cluster: Cluster, limit: float) -> str:
    address = cluster.address or os.environ.get("JAX_COORDINATOR_ADDRESS")
    where = f" at {address}" if address else ""
    who = "" if cluster.index is None else f" (this is number {cluster.index})"
    count = "processes" if cluster.processes is None else f"{cluster.processes} processes"
    return (
        f"{cluster.name}: the {count} of this run have not come together{where} within "
        f"{limit:g} s{who}; see that all are started, are told the same number of processes and "
        f"reach the first one's port, or wait longer by {JOIN_SECONDS[0]}"
    )


def _call(function: Callable[[], None], *, limit: float = float("inf")) -> None:
    """Calls it in a thread: this one goes on hearing signals.

    Raises:
      TimeoutError: where it takes longer than `limit` seconds.
    """
    raised: list[BaseException] = []

    def work() -> None:
        try:
            function()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work, name="distributed", daemon=True)
    thread.start()
    deadline = time.monotonic() + limit
    while thread.is_alive():
        if time.monotonic() > deadline:
            raise TimeoutError
        thread.join(_POLL_SECONDS)
    if raised:
        raise raised[0]


def join_seconds() -> float:
    """Returns how long processes wait for each other where no work can keep them."""
    return _seconds(*JOIN_SECONDS)


def _seconds(name: str, default: float) -> float:
    text = os.environ.get(name) or str(default)
    seconds = parse_number(text, f"[1, {_WEEK})")
    if seconds is None:
        raise UserError(f"{name}={text:.50}: not a number of seconds from 1")
    return seconds
