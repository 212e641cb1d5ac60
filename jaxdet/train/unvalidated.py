"""The checkpoint of an epoch whose validation a signal ended.

It lies apart from the others: the checkpoint of the same step after validation has other contents
and ranks, and neither may stand in for the other.
"""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

import jax

from jaxdet.results import RunFolder
from jaxdet.runtime.checkpoint import Checkpoints, Restored


def save_unvalidated(run: RunFolder, step: int, state: Any, *, host: dict[str, Any]) -> None:
    """Saves, and returns when all is on disk.

    Raises:
      RunFailedError: where it cannot be written.
    """
    with _opened(run) as checkpoints:
        if checkpoints.latest_step() != step:
            checkpoints.save(step, state, host=host, ranks=None)
            checkpoints.wait()


def find_unvalidated(run: RunFolder, like: Any, *, after: int) -> Restored | None:
    """Returns the checkpoint where it is newer than the step `after`; removes one that is not.

    Args:
      run: where it lies.
      like: arrays, or shapes with shardings.
      after: the newest step that was validated or lies within an epoch, 0 for none.

    Raises:
      UserError: where it does not fit `like`.
    """
    if not run.unvalidated.is_dir():
        return None
    with _opened(run) as checkpoints:
        step = checkpoints.latest_step()
        if step is not None and step > after:
            return checkpoints.restore(step, like)
    if jax.process_index() == 0:
        shutil.rmtree(run.unvalidated)
    return None


@contextlib.contextmanager
def _opened(run: RunFolder) -> Iterator[Checkpoints]:
    checkpoints = Checkpoints(run.unvalidated, keep_latest=1, ranks=())
    try:
        yield checkpoints
    finally:
        checkpoints.close()
