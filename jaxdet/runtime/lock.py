"""Allows one trainer a run folder: the first process of a run holds its lock for all of them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxdet.errors import UserError
from jaxdet.workdir.lock import claimed, refuse_if_claimed


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock until the body ends; the first of several processes does so for all.

    Raises:
      UserError: where another process holds it.
    """
    with contextlib.ExitStack() as stack:
        refusal = None
        if jax.process_index() == 0:
            try:
                stack.enter_context(_claimed(path))
            except UserError as error:
                refusal = error
        if _on_any_process(refusal is not None):
            raise refusal or UserError(f"{path.parent}: its first process was refused")
        yield


def refuse_if_locked(path: Path) -> None:
    """Refuses a second trainer early, before it loads anything or joins the processes of the first.

    Raises:
      UserError: where another process holds the lock.
    """
    refuse_if_claimed(path.parent, lock=path, instead="--workdir")


def _claimed(path: Path) -> contextlib.AbstractContextManager[None]:
    return claimed(path.parent, lock=path, instead="--workdir")


def _on_any_process(flag: bool) -> bool:
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.array([flag]))))
