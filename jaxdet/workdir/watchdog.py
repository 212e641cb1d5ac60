"""Ends a run in which nothing moves, with a diagnosis, instead of waiting for ever.

The parts of a run name what they are at (`stage`, `waited`); a thread looks on. Each change of
the stage is a sign of life, and so is a compilation, which gets an hour at least. Where there is
none for `runtime.hang_seconds`, the thread reports which stage it was, for how long, what the
worker processes do and where all threads are, on stderr and in `hang.txt` of the run folder, and
ends the process with status 124.

There is one run in a process, and it may wait anywhere: so the watch is one of the process, and
`stage` does nothing where there is none. Time in which the process is stopped (Ctrl-Z, SLURM's
suspend) does not count. A library that hangs without giving up Python's lock stops the thread, too;
then `backstop.py` ends the process.
"""

import contextlib
import datetime
import faulthandler
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeVar

from jaxdet.streams import printable
from jaxdet.workdir.backstop import Backstop
from jaxdet.workdir.drafts import replacing

# The status of a run that hung, as timeout(1) has it.
EXIT_HUNG = 124
FILE = "hang.txt"

# What a stage that gives no sign of life may take at least: ResNet-50 compiles in a minute or two,
# the images of a large set on a slow file system are looked up in many.
_SLOW_SECONDS = 3600.0
# Between two looks, at most.
_POLL_SECONDS = 1.0
# For workers to write their stacks, and for a file system that may hang itself.
_WORKER_SECONDS = 0.5
_FILE_SECONDS = 10.0
# By how much later than the thread the backstop ends the process.
_MARGIN_SECONDS = 5.0

Item = TypeVar("Item")
# The worker processes of the input by their id, those that have ended too.
Workers = dict[int, BaseProcess]


@contextlib.contextmanager
def watch(*, limit: float, folder: Path, workers: Callable[[], Workers] = dict) -> Iterator[None]:
    """Watches over the body.

    Args:
      limit: seconds without a sign of life; 0: for ever.
      folder: of the run, for the diagnosis.
      workers: finds the worker processes; none by default.
    """
    global _watch
    if not limit:
        yield
        return
    _watch = _Watch(limit, folder, workers)
    try:
        with stage("start", slow=True):
            yield
    finally:
        _watch.stop()
        _watch = None


@contextlib.contextmanager
def stage(name: str, *, slow: bool = False) -> Iterator[None]:
    """Names what the body does; a stage within a stage is named behind it.

    Args:
      name: as in "validation".
      slow: whether it may take an hour without a sign of life, whatever the limit.
    """
    watching = _watch
    if watching is None:
        yield
        return
    watching.enter(name, slow)
    try:
        yield
    finally:
        watching.leave()


def expect_compilation() -> None:
    """Notes that a function is being compiled; called at its start, which Python runs only then."""
    if _watch is not None:
        _watch.sign(compiling=True)


def end_compilation() -> None:
    """Notes that a function was compiled."""
    if _watch is not None:
        _watch.sign(compiling=False)


def waited(items: Iterator[Item], name: str) -> Iterator[Item]:
    """Yields the items; the wait for each is a stage."""
    while True:
        with stage(name):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


class _Watch:
    """Runs the thread that looks on.

    The run calls `enter`, `leave`, `sign` and `stop`; the rest is the thread's own.
    """

    def __init__(self, limit: float, folder: Path, workers: Callable[[], Workers]):
        self._limit, self._folder, self._workers = limit, folder, workers
        self._stages: list[tuple[str, bool]] = []
        # Counted up by the run, never by the watch: no sign of life is lost between them.
        self._signs = 0
        self._compiling = False
        self._ended = threading.Event()
        # Without Python's lock, while it is held by what hangs.
        faulthandler.register(signal.SIGUSR2, file=2, all_threads=True)
        self._backstop = Backstop()
        self._thread = threading.Thread(target=self._look_on, daemon=True, name="watchdog")
        self._thread.start()

    def enter(self, name: str, slow: bool) -> None:
        self._stages.append((name, slow))
        self.sign(compiling=False)

    def leave(self) -> None:
        self._stages.pop()
        self.sign(compiling=False)

    def sign(self, *, compiling: bool) -> None:
        self._compiling = compiling
        self._signs += 1

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
        self._backstop.close()
        faulthandler.unregister(signal.SIGUSR2)

    def _look_on(self) -> None:
        poll = min(_POLL_SECONDS, self._limit / 5)
        quiet, seen, before = 0.0, self._signs, time.monotonic()
        while not self._ended.wait(poll):
            # Asked each time: later, those that have ended would be gone from Python's list.
            workers = self._workers()
            now = time.monotonic()
            # A process that was stopped comes back after long, and has not hung.
            quiet += min(now - before, 2 * poll)
            before = now
            if self._signs != seen:
                quiet, seen = 0.0, self._signs
            allowed = self._allowed()
            self._backstop.allow(allowed - quiet + _MARGIN_SECONDS, self._where())
            if quiet > allowed:
                self._end(quiet, workers)

    def _where(self) -> str:
        return " > ".join(name for name, _ in self._stages) or "between two stages"

    def _allowed(self) -> float:
        slow = self._compiling or any(slow for _, slow in self._stages[-1:])
        return max(self._limit, _SLOW_SECONDS) if slow else self._limit

    def _end(self, quiet: float, workers: Workers) -> None:
        """Writes the diagnosis and ends the process, whatever state it is in."""
        where = self._where()
        self._backstop.allow(_FILE_SECONDS + _MARGIN_SECONDS, where)
        states = [f"  {_describe(process)}" for process in workers.values()]
        head = [
            f"nothing has moved for {quiet:.0f} s (runtime.hang_seconds={self._limit:g})",
            f"at: {datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')}",
            f"stage: {where}",
            "worker processes:" if states else "worker processes: none",
            *states,
            "stacks of this process:",
        ]
        _write(2, head)
        more = self._write_file(head)
        _ask_for_stacks(workers)
        ended = "".join(f"; {state.strip()}" for state in states if "ended" in state)
        _write(
            2,
            [
                f"error: nothing has moved for {quiet:.0f} s in the stage {where!r}{ended}{more}; "
                "start the same command again to continue"
            ],
            stacks=False,
        )
        for process in workers.values():
            process.kill()
        # Not sys.exit: the thread that hangs would be waited for.
        os._exit(EXIT_HUNG)

    def _write_file(self, head: list[str]) -> str:
        """Writes the diagnosis where there is a run already; the file system may hang too."""
        path = self._folder / FILE
        written = threading.Event()

        def write() -> None:
            with contextlib.suppress(OSError):
                if (self._folder / "config.json").exists():
                    with replacing(path) as file:
                        _write(file.fileno(), head)
                    written.set()

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        writer.join(_FILE_SECONDS)
        return f"; see {path}" if written.is_set() else ""


_watch: _Watch | None = None


def _write(descriptor: int, lines: list[str], *, stacks: bool = True) -> None:
    """Writes past Python's files, whose locks the thread that hangs may hold."""
    with contextlib.suppress(OSError):
        os.write(descriptor, "".join(f"{printable(line)}\n" for line in lines).encode())
        if stacks:
            faulthandler.dump_traceback(descriptor, all_threads=True)


def _ask_for_stacks(workers: Workers) -> None:
    """Has the worker processes write where they are; see `data/pipeline.py`."""
    alive = [process for process in workers.values() if process.is_alive()]
    if not alive or not hasattr(faulthandler, "register"):
        return
    _write(2, ["stacks of the worker processes:"], stacks=False)
    for process in alive:
        with contextlib.suppress(OSError):
            os.kill(process.pid or 0, signal.SIGUSR2)
    time.sleep(_WORKER_SECONDS)


def _describe(process: BaseProcess) -> str:
    code = process.exitcode
    if code is None:
        return f"input worker process {process.pid} is alive{_state(process.pid)}"
    if code < 0:
        return f"input worker process {process.pid} ended by {signal.Signals(-code).name}"
    return f"input worker process {process.pid} ended with status {code}"


def _state(pid: int | None) -> str:
    """Returns what Linux says the process does, as in ': S (sleeping)'; a 'D' waits for a disk."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        states = [line.split(maxsplit=1)[1] for line in lines if line.startswith("State:")]
        return f": {states[0]}" if states else ""
    return ""
