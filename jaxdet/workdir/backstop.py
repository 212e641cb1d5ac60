"""Ends a process whose watchdog is stuck itself: a library hangs and keeps Python's lock.

No thread of Python's runs then, so a process of its own looks on, which imports nothing of ours.
The watchdog tells it again and again for how long it may be silent; it counts only time in which
the watched process runs, so that Ctrl-Z and SLURM's suspend end nothing, as faulthandler's own
timer would.
"""

import contextlib
import math
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

_POLL_SECONDS = 0.5
# For the stacks to be written, which faulthandler does without Python's lock.
_STACK_SECONDS = 1.0


class Backstop:
    """Controls the process that looks on, from the side of the one that is watched."""

    def __init__(self) -> None:
        """Starts it, out of reach of the terminal's signals; it ends with this process."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin
        os.set_blocking(self._pipe.fileno(), False)

    def allow(self, seconds: float, stage: str) -> None:
        """Allows for so much silence from now on; `stage` is what a message would name."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._pipe.fileno(), f"{seconds} {stage!a}\n".encode())

    def close(self) -> None:
        """Ends it."""
        self._pipe.close()
        self._process.wait()


def _look_on(pid: int) -> None:
    """Returns when the watched process has ended; ends it where it is silent for too long."""
    left, stage, before = math.inf, "", time.monotonic()
    while left > 0:
        heard, _, _ = select.select([0], [], [], _POLL_SECONDS)
        now = time.monotonic()
        if heard:
            lines = os.read(0, 2**16).decode()
            if not lines:
                return
            allowed, _, stage = lines.splitlines()[-1].partition(" ")
            left = float(allowed)
        elif not _is_stopped(pid):
            # This process may have been stopped, too.
            left -= min(now - before, 2 * _POLL_SECONDS)
        before = now
    _end(pid, stage)


def _end(pid: int, stage: str) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGUSR2)
        time.sleep(_STACK_SECONDS)
        line = (
            f"error: nothing moves in the stage {stage}, not even the watchdog: a library keeps "
            "Python's lock (killed; stacks above); start the same command again to continue"
        )
        os.write(2, f"{line}\n".encode())
        os.kill(pid, signal.SIGKILL)


def _is_stopped(pid: int) -> bool:
    """Returns whether Linux says that a process is stopped."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
    return False


if __name__ == "__main__":
    _look_on(int(sys.argv[1]))
