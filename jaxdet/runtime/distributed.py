"""Several processes as one run: they come together before any device is touched, and part again.

Where no launcher announces several (`clusters.py`) nothing is done at all. JAX ends a process in
which one of its calls to the others fails by abort(3), and deaf to signals while it waits: so its
calls are made in a thread, and the limits that end in a clear line are ours.
"""

import contextlib
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator

import jax

from jaxdet import progress
from jaxdet.errors import RunFailedError, UserError, leave_at_once
from jaxdet.runtime.clusters import SWITCH, Cluster, find_cluster

# How long the processes wait for each other at the start, seconds. JAX's own is the same.
JOIN_SECONDS = "JAXDET_JOIN_SECONDS", 300.0
# After how long without a sign of life a process counts as dead, seconds. JAX's own is the same.
HEARTBEAT_SECONDS = "JAXDET_HEARTBEAT_SECONDS", 100.0
# JAX's limits beyond ours: at the start, where ours ends with a line; and at the end, where the
# others wait for the first, whose analyses and report may take hours.
_LATER = 60
_WEEK = 7 * 24 * 3600
# For the others to fail alike, so that all leave with their own line.
_FAREWELL_SECONDS = 10.0
_POLL_SECONDS = 0.1


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """The body as one of several processes, where a launcher announces them.

    All but the first say nothing, but for mistakes and failures.

    Raises:
      UserError: where the launcher does not say enough.
      RunFailedError: where the processes do not find each other.
    """
    cluster = find_cluster(os.environ)
    if cluster is None:
        yield
        return
    _connect(cluster)
    progress.hush(jax.process_index() > 0)
    try:
        yield
    except (UserError, RunFailedError) as error:
        _leave(error)
    except jax.errors.JaxRuntimeError as error:
        _leave(_explained(error))
    except Exception:
        traceback.print_exc()
        _leave(RunFailedError("ended by the exception above"))
    _call(jax.distributed.shutdown)


def _connect(cluster: Cluster) -> None:
    limit, heartbeat = _seconds(*JOIN_SECONDS), _seconds(*HEARTBEAT_SECONDS)
    # It would take SIGTERM for itself; `signals` agrees on the end of a run.
    jax.config.update("jax_enable_preemption_service", False)

    def initialize() -> None:
        jax.distributed.initialize(
            cluster.address, cluster.processes, cluster.index,
            cluster_detection_method=cluster.method,
            initialization_timeout=int(limit) + _LATER,
            heartbeat_timeout_seconds=int(heartbeat),
            shutdown_timeout_seconds=_WEEK,
        )  # fmt: skip

    try:
        _call(initialize, limit=limit)
    except TimeoutError:
        leave_at_once(RunFailedError(_nobody(cluster, limit)))
    except (RuntimeError, ValueError, OSError) as error:
        leave_at_once(RunFailedError(f"{_unable(cluster)}: {error}"))
    if cluster.devices is not None and not os.environ.get("JAX_LOCAL_DEVICE_IDS"):
        for platform in ("cuda", "rocm"):
            jax.config.update(f"jax_{platform}_visible_devices", cluster.devices)


def _leave(error: Exception) -> None:
    """Ends this process, and the run with it.

    Not by Python's own way out, where JAX waits for processes that may be waiting for this one.
    """
    with contextlib.suppress(TimeoutError):
        _call(jax.distributed.shutdown, limit=_FAREWELL_SECONDS)
    leave_at_once(error)


def _explained(error: jax.errors.JaxRuntimeError) -> RunFailedError:
    first = str(error).strip().splitlines()[0][:300]
    if first.startswith("RESOURCE_EXHAUSTED"):
        return RunFailedError(f"out of memory on the device: {first}")
    return RunFailedError(
        f"process {jax.process_index()} of {jax.process_count()}: a computation failed, most "
        f"likely because another process of this run has ended; see what that one says, then "
        f"start the same command again to continue ({first})"
    )


def _nobody(cluster: Cluster, limit: float) -> str:
    address = cluster.address or os.environ.get("JAX_COORDINATOR_ADDRESS")
    where = f" at {address}" if address else ""
    who = "" if cluster.index is None else f" (this is number {cluster.index})"
    count = "processes" if cluster.processes is None else f"{cluster.processes} processes"
    return (
        f"{cluster.name}: the {count} of this run have not come together{where} within "
        f"{limit:g} s{who}; see that all are started and reach the first one's port, or wait "
        f"longer by {JOIN_SECONDS[0]}"
    )


def _unable(cluster: Cluster) -> str:
    return f"{cluster.name} announces several processes ({SWITCH}=off for a run alone)"


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


def _seconds(name: str, default: float) -> float:
    text = os.environ.get(name) or str(default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds < _WEEK:
        raise UserError(f"{name}={text}: not a number of seconds from 1")
    return seconds
