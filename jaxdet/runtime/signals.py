"""Signals as requests: a long work ends at its next good place, with all it has done on disk.

`errors.guard` alone ends a command wherever a signal finds it. Within `deferred` the first signal
is noted, and the work looks at `requested` (or a `StopPoint`, where several processes must end
together) between two steps; a second signal ends the process at once. Signals within SECOND_AFTER
seconds of the first are the same request.
"""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxdet.errors import SECOND_AFTER, STOP_SIGNALS, Stopped, repeats_request
from jaxdet.runtime.mesh import put_batch, replicated

# Signals are the process's, and so is what is known of them.
_received: list[int] = []
# Where Python's C handler writes the number of each signal, while `deferred` lasts.
_wakeup: list[socket.socket] = []


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Makes the first signal a request and a later one the end of the process, during the body.

    Does nothing outside the main thread, which alone may handle signals, and within itself.
    """
    if threading.current_thread() is not threading.main_thread() or (
        signal.getsignal(STOP_SIGNALS[0]) is _note
    ):
        yield
        return
    before = {signum: signal.signal(signum, _note) for signum in STOP_SIGNALS}
    try:
        with _second_ends_at_once():
            yield
    finally:
        _received.clear()
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextlib.contextmanager
def leaving_together() -> Iterator[None]:
    """Shuts all processes of a run down together: none takes the end of another for a failure."""
    try:
        yield
    except Stopped as stop:
        if stop.together and jax.process_count() > 1:
            jax.distributed.shutdown()
        raise


def requested() -> int:
    """Returns the signal that asks for the end, 0 where none does."""
    return _received[0] if _received else 0


def check(done: str = "") -> None:
    """Lets this process end here, where a signal has asked for it.

    Raises:
      Stopped: where a signal asked for it; `done` says what was saved.
    """
    if requested():
        raise Stopped(requested(), done)


class StopPoint:
    """Lets all processes of a run end together, between two of their steps.

    One process just looks at `requested`. Several agree by a maximum over their devices, which is
    fetched one step late so that nobody waits for it: they end at most a step later.
    """

    def __init__(self, mesh: Mesh):
        """Takes the devices of all processes."""
        self._mesh = mesh
        self._waiting: jax.Array | None = None
        self._most = jax.jit(jnp.max, out_shardings=replicated(mesh))

    def reached(self) -> int:
        """Returns the signal that asks for the end, the same on all processes; 0 where none does.

        Every process calls this after each of its steps.
        """
        if jax.process_count() == 1:
            return requested()
        waiting, self._waiting = self._waiting, self._ask()
        return 0 if waiting is None else int(jax.device_get(waiting))

    def _ask(self) -> jax.Array:
        mine = sum(d.process_index == jax.process_index() for d in self._mesh.devices.flat)
        signums = np.full(mine, requested(), np.int32)
        most: jax.Array = self._most(put_batch(self._mesh, {"signum": signums})["signum"])
        return most


def _note(signum: int, frame: object) -> None:
    del frame
    for writer in _wakeup:
        # An event loop in this thread (orbax runs some by uvloop) takes the place and leaves none.
        if signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False) != writer.fileno():
            writer.send(bytes([signum]))
    if _received:
        return  # the watch has seen it, and when it came
    _received.append(signum)
    repeats_request()  # taken down for `errors.guard`, once the body has ended
    name = signal.Signals(signum).name
    _log(f"{name}: ending at the next step; another signal after {SECOND_AFTER:g} s ends at once")


@contextlib.contextmanager
def _second_ends_at_once() -> Iterator[None]:
    """Watches from a thread: Python's own handlers wait for native code, such as a compilation."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    _wakeup.append(writer)
    threading.Thread(target=_watch, args=(reader,), name="signals", daemon=True).start()
    try:
        yield
    finally:
        _wakeup.clear()
        signal.set_wakeup_fd(before)
        writer.close()  # ends the thread


def _watch(reader: socket.socket) -> None:
    first = None
    with reader:
        while received := reader.recv(1):
            now = time.monotonic()
            if received[0] not in STOP_SIGNALS:
                continue
            if first is None:
                first = now
            elif now - first >= SECOND_AFTER:
                _log(f"{signal.Signals(received[0]).name} again: ended at once")
                os._exit(128 + received[0])


def _log(line: str) -> None:
    # Not print: its buffer may be in use by what the signal came upon.
    with contextlib.suppress(OSError):  # nobody reads it, or its disk is full
        os.write(2, f"{line}\n".encode())
