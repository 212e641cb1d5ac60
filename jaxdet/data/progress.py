"""How far a long work is: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

# Seconds between two plain lines where there is no terminal.
_PLAIN_EVERY = 15.0


class Meter:
    """Counts bytes of one file. Use as a context.

    All that it says goes to stderr: stdout is for what a command answers.
    """

    def __init__(self, title: str, *, total: int | None = None):
        """`total` is in bytes; None where nobody knows."""
        self._title, self._total, self._done = title, total, 0
        self._began, self._first = time.monotonic(), 0
        self._told = self._began
        self._bar = _bar() if sys.stderr.isatty() else None

    def __enter__(self) -> "Meter":
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=self._total)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def expect(self, total: int) -> None:
        """Learns the total, bytes."""
        self._total = total
        if self._bar is not None:
            self._bar.update(self._task, total=total)

    def set(self, done: int) -> None:
        """Goes to a place without counting the way there as speed."""
        self._done = self._first = done
        self._began = time.monotonic()
        if self._bar is not None:
            self._bar.reset(self._task, completed=done)

    def advance(self, count: int) -> None:
        """Moves on by `count` bytes."""
        self._done += count
        if self._bar is not None:
            self._bar.advance(self._task, count)
        elif time.monotonic() - self._told > _PLAIN_EVERY:
            self._told = time.monotonic()
            self.say(f"{self._title}: {self._line()}")

    def say(self, line: str) -> None:
        """A line that stays, above the bar where there is one."""
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            tell(line)

    def _line(self) -> str:
        # A clock may not have moved since the start.
        seconds = max(time.monotonic() - self._began, 1e-9)
        rate = (self._done - self._first) / seconds
        if self._total is None:
            return f"{size_text(self._done)}, {size_text(rate)}/s"
        left = f", {(self._total - self._done) / rate:.0f} s left" if rate else ""
        return f"{size_text(self._done)} of {size_text(self._total)}, {size_text(rate)}/s{left}"


def tell(line: str) -> None:
    """Writes a line about the work, not of its result."""
    print(line, file=sys.stderr, flush=True)


def size_text(count: float) -> str:
    """Bytes in the unit that suits them: '74.9 GB'."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
