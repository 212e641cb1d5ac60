"""Reports what goes wrong in an input worker as one line that names the cause."""

import signal
import traceback
from collections.abc import Iterator
from typing import TypeVar

from jaxdet.errors import RunFailedError, UserError

Item = TypeVar("Item")

# How grain 0.2.18 tells of a worker process that died; its exit status follows.
_DIED = "terminated unexpectedly with exit code "


def named_failures(items: Iterator[Item]) -> Iterator[Item]:
    """Yields the items; an exception that is not ours becomes a RunFailedError of one line.

    The input is never gone on with after an exception: grain would leave out the batches of the
    worker that raised it.
    """
    try:
        yield from items
    except (UserError, RunFailedError):
        raise
    except Exception as error:
        raise RunFailedError(_describe(error)) from error


def _describe(error: Exception) -> str:
    text = str(error)
    if _DIED in text:
        return _describe_death(text.split(_DIED)[1])
    last = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"an input worker raised {type(error).__name__}: {text or 'without a message'} "
        f"({last.filename}, line {last.lineno})"
    )


def _describe_death(rest: str) -> str:
    """Describes a worker's death by the rest of a message, such as '-9. Search the logs above'."""
    code = int(rest.split(".")[0])
    if code >= 0:
        return f"an input worker process ended with status {code}; its own words stand above"
    name = signal.Signals(-code).name
    return f"an input worker process was killed by {name}{_HINTS.get(name, '')}"


_HINTS = {
    "SIGKILL": (
        ": where memory ran out (dmesg tells), set a smaller --config.runtime.workers, or "
        "--config.runtime.worker_kind=threads; start the same command again to continue"
    ),
    "SIGBUS": ": /dev/shm may be full (in a container: docker run --shm-size)",
}
