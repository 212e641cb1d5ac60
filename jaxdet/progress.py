"""Shows how far a command is: a bar on a terminal, a plain line now and then elsewhere.

All of it goes to stderr: stdout is for what a command answers.
"""

import sys
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from jaxdet import streams
from jaxdet.streams import printable

# Seconds between two plain lines where there is no terminal.
_PLAIN_EVERY = 15.0
# Whether this process is one of several that leave the talking to another.
_hushed = False


class ProgressLine:
    """Reports how far a long task is, and what is left of it.

    Use as a context manager.
    """

    def __init__(self, title: str, *, total: int | None, done: int = 0, unit: str = "steps"):
        """Begins at `done` of `total` (None where nobody knows); bytes are told in MB and GB."""
        self._title, self._unit = printable(title), unit
        self._total, self._done = total, done
        self._began, self._first = time.monotonic(), done
        self._told = self._began
        self._is_first = unit == "steps"
        self._bar = _bar(unit) if sys.stderr.isatty() and not _hushed else None

    def __enter__(self) -> "ProgressLine":
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task(
                self._title, total=self._total, completed=self._done, note=""
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def expect(self, total: int) -> None:
        """Learns the total."""
        self._total = total
        if self._bar is not None:
            self._bar.update(self._task, total=total)

    def set(self, done: int) -> None:
        """Goes to a place without counting the way there as speed."""
        self._done = self._first = done
        self._began = time.monotonic()
        if self._bar is not None:
            self._bar.reset(self._task, completed=done)

    def advance(self, count: int = 1, *, note: str = "") -> None:
        """Moves on by `count`; `note` stands at the end of the line."""
        if self._is_first:
            # It waits for a program to be compiled: no pace to go by.
            self._began, self._first = time.monotonic(), self._done + count
            self._is_first = False
        self._done += count
        if self._bar is not None:
            self._bar.update(self._task, advance=count, note=printable(note))
        elif time.monotonic() - self._told > _PLAIN_EVERY:
            self._told = time.monotonic()
            say(f"{self._title}: {self._line()} {note}")

    def say(self, line: str) -> None:
        """Logs a line that stays, above the bar where there is one."""
        if self._bar is not None:
            self._bar.console.print(printable(line), markup=False, highlight=False)
        else:
            say(line)

    def _line(self) -> str:
        # A clock may not have moved since the start.
        seconds = max(time.monotonic() - self._began, 1e-9)
        rate = (self._done - self._first) / seconds
        left = ""
        if rate and self._total is not None:
            left = f", {(self._total - self._done) / rate:.0f} s left"
        if self._unit != "bytes":
            of = "" if self._total is None else f"/{self._total}"
            return f"{self._done}{of} {self._unit}{left}"
        of = "" if self._total is None else f" of {size_text(self._total)}"
        return f"{size_text(self._done)}{of}, {size_text(rate)}/s{left}"


def say(line: str) -> None:
    """Logs one line to stderr: results alone go to stdout."""
    if not _hushed:
        streams.tell(line)


def hush(flag: bool) -> None:
    """Silences this process, as all but the first of a run are, or lets it log again."""
    global _hushed
    _hushed = flag


def size_text(count: float) -> str:
    """Returns a number of bytes in the unit that suits it: '74.9 GB'."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _bar(unit: str) -> Progress:
    counted: tuple[ProgressColumn, ...] = (MofNCompleteColumn(), TimeElapsedColumn())
    if unit == "bytes":
        counted = (DownloadColumn(), TransferSpeedColumn())
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *counted,
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True),
    )
