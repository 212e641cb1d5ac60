"""Moves batches from workers to their trainer in shared memory, freed whoever dies, and whenever.

grain hands batches over in blocks of `multiprocessing.shared_memory`. Python's tracker, a process
that outlives all that use a block, frees those it was told of once they are gone.
"""

import os
import sys
from multiprocessing import resource_tracker, shared_memory

PLACE = "/dev/shm"


def free_bytes() -> int:
    """Returns the free bytes for shared-memory blocks; sys.maxsize where there is no such place."""
    try:
        there = os.statvfs(PLACE)
    except OSError:
        return sys.maxsize
    return there.f_bavail * there.f_frsize


def start_tracker() -> None:
    """Starts the tracker, and has it do its work silently.

    Its warnings would come after this process ended, behind the line that says why.
    """
    given = os.environ.get("PYTHONWARNINGS")
    silent = "ignore::UserWarning:multiprocessing.resource_tracker"
    os.environ["PYTHONWARNINGS"] = f"{given},{silent}" if given else silent
    try:
        resource_tracker.ensure_running()
    finally:
        if given is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = given


def track_before_making() -> None:
    """Registers, from here on, each block of this process with the tracker before it is made.

    Python tells it after, and waking it up takes a while on busy cores: a worker killed between the
    two would leave its block for good. The name is Python's own choice, made in a function that
    all supported versions have (3.11 to 3.13).
    """
    choose = shared_memory._make_filename  # type: ignore[attr-defined]

    def choose_and_track() -> str:
        name: str = choose()
        resource_tracker.register(name, "shared_memory")
        return name

    shared_memory._make_filename = choose_and_track  # type: ignore[attr-defined]
