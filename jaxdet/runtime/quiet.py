"""Keeps orbax from printing what it raises as well: a failed save ends in one line of ours.

orbax logs an error before it raises it. And of many writes that fail together, it raises one and
closes their event loop: asyncio then logs each of the others, and tensorstore, which finds the
loop closed, prints a traceback for each.
"""

import logging
import sys
import traceback

from jaxdet.runtime.steps import ORBAX_DRAFT

# A frame of orbax, or a file of a draft of its: what tensorstore raises has no frames at all.
_OF_ORBAX = ("/orbax/", ORBAX_DRAFT)

_before = sys.unraisablehook


def hush_orbax() -> None:
    """Silences what orbax, and asyncio and tensorstore under it, say besides what is raised."""
    # It tells of every step of its work at INFO, and of ordinary choices at WARNING.
    logging.getLogger("absl").setLevel(logging.ERROR)
    for name in ("absl", "asyncio"):
        logging.getLogger(name).addFilter(_is_not_orbax)
    sys.unraisablehook = _tell_unraisable


def _is_not_orbax(record: logging.LogRecord) -> bool:
    """Returns whether neither the line nor the error that it reports comes from orbax's work."""
    error = record.exc_info[1] if record.exc_info else None
    frames = traceback.extract_tb(error.__traceback__) if error else []
    files = (record.pathname, record.getMessage(), *(frame.filename for frame in frames))
    return not any(mark in file for mark in _OF_ORBAX for file in files)


def _tell_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    if str(unraisable.exc_value) != "Event loop is closed":
        _before(unraisable)
