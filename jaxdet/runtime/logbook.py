"""What a run says while it goes: `metrics.jsonl`, and a bar or plain lines for who watches."""

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from jaxdet.results import read_metrics, write_bytes

# Seconds between two plain lines of progress where there is no terminal.
_PLAIN_EVERY = 15.0


class Logbook:
    """Appends lines to `metrics.jsonl`, one JSON object each."""

    def __init__(self, path: Path, *, keep_to_step: int):
        """Opens the file for going on after a step: later lines, of lost work, are cut off."""
        kept = [line for line in read_metrics(path) if line["step"] <= keep_to_step]
        write_bytes(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
        self._path = path

    def write(self, step: int, epoch: float, values: Mapping[str, float]) -> None:
        """Adds a line. On disk when the call returns."""
        line = json.dumps({"step": step, "epoch": epoch, **values}, allow_nan=False)
        with open(self._path, "a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())


class ProgressLine:
    """A bar with the time left on a terminal; elsewhere a plain line now and then.

    Use as a context; `advance` after each step.
    """

    def __init__(self, title: str, *, total: int, done: int = 0, unit: str = "steps"):
        """Begins at `done` of `total`."""
        self._title, self._total, self._done, self._unit = title, total, done, unit
        self._started, self._first = time.monotonic(), done
        self._told = self._started
        self._bar = _bar() if sys.stderr.isatty() else None

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

    def advance(self, count: int = 1, *, note: str = "") -> None:
        """Moves on by `count`; `note` stands at the end of the line."""
        self._done += count
        if self._bar is not None:
            self._bar.update(self._task, advance=count, note=note)
        elif time.monotonic() - self._told > _PLAIN_EVERY:
            self._told = time.monotonic()
            say(f"{self._title}: {self._done}/{self._total} {self._unit}{self._left()} {note}")

    def _left(self) -> str:
        rate = (self._done - self._first) / (time.monotonic() - self._started)
        return f", {(self._total - self._done) / rate:.0f} s left" if rate > 0 else ""


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        transient=True,
    )


def say(line: str) -> None:
    """One line to whoever watches, on stderr: results alone go to stdout."""
    print(line.rstrip(), file=sys.stderr, flush=True)
