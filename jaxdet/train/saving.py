"""Saves what a run goes on from, and ends it where a signal asks for that.

The checkpoint of an epoch whose validation a signal ended lies apart from the others: that of the
same step after validation has other contents and ranks, and neither may stand in for the other.
"""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any, NoReturn

import jax

from jaxdet.config.forms import to_json_dict
from jaxdet.errors import Stopped
from jaxdet.results.folder import RunFolder
from jaxdet.runtime.checkpoint import Checkpoints, Restored
from jaxdet.runtime.manifest import Ranks
from jaxdet.train.parts import Parts
from jaxdet.train.position import Position
from jaxdet.workdir.watchdog import stage


def save(parts: Parts, position: Position, *, ranks: Ranks | None = None) -> None:
    """Saves the position in the background, ranked where it was validated.

    Raises:
      RunFailedError: where this or the save before it could not be written.
    """
    with stage(f"saving checkpoint {position.step}"):
        host = _host(parts, position)
        parts.checkpoints.save(position.step, position.state, host=host, ranks=ranks)


def leave(parts: Parts, position: Position, signum: int, *, validated: bool = True) -> NoReturn:
    """Saves what is done, sees it on disk, and ends the run.

    Args:
      parts: of the run.
      position: where it stands, with no update under way.
      signum: the signal that asked for the end.
      validated: whether no validation was begun that is to be made again.

    Raises:
      Stopped: always, unless saving fails.
    """
    parts.checkpoints.wait()
    if not validated:
        _save_unvalidated(parts, position)
    elif parts.checkpoints.latest_step() != position.step:
        save(parts, position)
    parts.checkpoints.wait()
    raise Stopped(signum, f"saved at step {position.step}", together=True)


def _host(parts: Parts, position: Position) -> dict[str, Any]:
    """Returns what a checkpoint holds besides the arrays."""
    return {
        **position.to_host(),
        "input": parts.input_identity,
        "config": to_json_dict(parts.config),
    }


def _save_unvalidated(parts: Parts, position: Position) -> None:
    with _unvalidated(parts.run) as checkpoints:
        if checkpoints.latest_step() != position.step:
            host = _host(parts, position)
            checkpoints.save(position.step, position.state, host=host, ranks=None)
            checkpoints.wait()


def find_unvalidated(parts: Parts) -> Restored | None:
    """Returns the checkpoint of an epoch whose validation a signal ended, where it is the newest.

    One that is not is removed.

    Raises:
      UserError: where it does not fit the model.
    """
    run = parts.run
    if not run.unvalidated.is_dir():
        return None
    with _unvalidated(run) as checkpoints:
        step = checkpoints.latest_step()
        if step is not None and step > (parts.checkpoints.latest_step() or 0):
            return checkpoints.restore(step, parts.abstract_state)
    if jax.process_index() == 0:
        shutil.rmtree(run.unvalidated)
    return None


@contextlib.contextmanager
def _unvalidated(run: RunFolder) -> Iterator[Checkpoints]:
    checkpoints = Checkpoints(run.unvalidated, keep_latest=1, ranks=())
    try:
        yield checkpoints
    finally:
        checkpoints.close()
