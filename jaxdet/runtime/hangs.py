"""Watches over a run: hands the watchdog the input's workers and the signs of JAX's compiler."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import jax

from jaxdet.data.pipeline import worker_processes
from jaxdet.workdir import watchdog

_TRACE_EVENT = "/jax/core/compile/jaxpr_trace_duration"
_COMPILED_EVENT = "/jax/core/compile/backend_compile_duration"


@contextlib.contextmanager
def watch_run(*, limit: float, folder: Path) -> Iterator[None]:
    """Ends the process where nothing moves in the body for `limit` seconds; 0: never."""
    with watchdog.watch(limit=limit, folder=folder, workers=worker_processes):
        jax.monitoring.register_event_duration_secs_listener(_hear)
        try:
            yield
        finally:
            jax.monitoring.unregister_event_duration_listener(_hear)


def _hear(event: str, duration_secs: float, **_: str | int) -> None:
    """Notes that JAX has traced a function, which is compiled next, or has compiled it."""
    del duration_secs
    if event == _TRACE_EVENT:
        watchdog.expect_compilation()
    elif event == _COMPILED_EVENT:
        watchdog.end_compilation()
