"""Takes signals as requests: a long work ends at its next good place, with all it did on disk.

`errors.guard` alone ends a command wherever a signal finds it. Within `deferred` the first signal
is noted, and the work looks at `requested` between two steps (where several processes must end
together, at a `StopPoint` of `runtime/stopping.py`); a second signal ends the process at once.
Signals within SECOND_AFTER seconds of the first are the same request.
"""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

from jaxdet.errors import SECOND_AFTER, STOP_SIGNALS, Stopped, repeats_request

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
def keeping_handlers() -> Iterator[None]:
    """Puts back what answers STOP_SIGNALS after a body that calls a library which sets its own."""
    before = {signum: signal.getsignal(signum) for signum in STOP_SIGNALS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for signum, handler in before.items():
                signal.signal(signum, handler)


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
