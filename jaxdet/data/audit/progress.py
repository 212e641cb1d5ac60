"""How far a long pass is: a bar on a terminal, elsewhere a plain line now and then."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_PLAIN_EVERY = 30.0  # seconds


@contextlib.contextmanager
def progress(title: str, *, total: int) -> Iterator[Callable[[], None]]:
    """Gives what to call after each of `total` images; shows the way on stderr."""
    if sys.stderr.isatty():
        with _bar() as bar:
            task = bar.add_task(title, total=total)
            yield lambda: bar.advance(task)
    else:
        yield _plain(title, total)


def _plain(title: str, total: int) -> Callable[[], None]:
    done, started = 0, time.monotonic()
    told = started

    def advance() -> None:
        nonlocal done, told
        done, now = done + 1, time.monotonic()
        if now - told > _PLAIN_EVERY:
            told = now
            left = (total - done) * (now - started) / done
            print(f"{title}: {done}/{total} images, {left:.0f} s left", file=sys.stderr, flush=True)

    return advance


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
