"""Lets the processes of one run tell each other facts; one process alone asks nobody.

They talk by the key-value store of the service that the first of them runs, which needs no devices.
"""

import contextlib
import itertools
import json
import math
import platform
import time
from collections.abc import Iterator
from typing import Any

import jax
from jax._src import distributed  # the store's client has no public name
from jax.experimental import multihost_utils

from jaxdet.errors import RunFailedError, UserError
from jaxdet.workdir import watchdog

ENDED = (
    "another process of this run has most likely ended; see what that one says, then start the "
    "same command again to continue"
)
_POLL_SECONDS = 0.1
# Differences and mistakes that one line names.
_MOST_NAMED = 3
# Each process counts its comparisons: those of one number are one.
_numbers = itertools.count()


def agreed(value: bool) -> bool:
    """Returns what the first process says, in all of them; every process must ask."""
    if jax.process_count() == 1:
        return value
    return bool(multihost_utils.broadcast_one_to_all(value))


def meet(what: str) -> None:
    """Returns when every process has come here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)


def are_several() -> bool:
    """Returns whether this process has joined others; touches no device."""
    return distributed.global_state.client is not None


@contextlib.contextmanager
def comparing(stage: str, *, limit: float = math.inf) -> Iterator[dict[str, Any]]:
    """Compares facts that every process finds in the body, and shares mistakes made there.

    All processes come out of it alike: with nothing where their facts are equal, else with an
    error, so that none goes on to wait for another that has ended.

    Args:
      stage: names the place; every process must come to the same one.
      limit: seconds to wait for the others; endless where only their work can take long: JAX
        notices processes that die, and each one's watchdog ends what hangs.

    Yields:
      A dictionary for the facts: what is compared, in words, to a value that JSON can hold.

    Raises:
      UserError: naming what differs, the values and the processes, or another's mistake.
      RunFailedError: where another process failed, or does not come.
    """
    facts: dict[str, Any] = {}
    failure: Exception | None = None
    try:
        yield facts
    except Exception as error:
        failure = error
    if are_several():
        _settle({"stage": stage, **facts}, failure, time.monotonic() + limit)
    if failure is not None:
        raise failure


def _settle(facts: dict[str, Any], failure: Exception | None, deadline: float) -> None:
    """Raises what another process's facts or failure ask for; our own is left to the caller."""
    state: Any = distributed.global_state
    mine, folder = state.process_id, f"jaxdet/{next(_numbers)}"
    with watchdog.stage("waiting for the other processes", slow=True), _explaining():
        if mine == 0:
            # A failed process has no facts worth comparing.
            told = None if failure else {"processes": state.num_processes, **facts}
            state.client.key_value_set(f"{folder}/first/0", json.dumps([state.num_processes, told]))
        [[count, first]] = _wait_for(f"{folder}/first/", 1, deadline)
        own = {"processes": state.num_processes, **facts}
        verdict = {
            "failure": None if failure is None else " ".join(str(failure).split()),
            "mistake": isinstance(failure, UserError),
            "differences": [] if failure or first is None else _differences(first, own, mine),
        }
        state.client.key_value_set(f"{folder}/verdicts/{mine:09d}", json.dumps([mine, verdict]))
        verdicts = dict(_wait_for(f"{folder}/verdicts/", count, deadline))
    if failure is None:
        _judge(verdicts)


def _judge(verdicts: dict[int, dict[str, Any]]) -> None:
    failed = {index: one for index, one in verdicts.items() if one["failure"] is not None}
    if failed:
        index, one = min(failed.items())
        kind = UserError if one["mistake"] else RunFailedError
        raise kind(f"process {index}: {one['failure']}")
    differences = [line for one in verdicts.values() for line in one["differences"]]
    if differences:
        more = len(differences) - _MOST_NAMED
        others = f"; and {more} more" if more > 0 else ""
        raise UserError(
            f"the processes of this run do not agree: {'; '.join(differences[:_MOST_NAMED])}"
            f"{others}; start all with the same options, images, weights, software and run folder"
        )


def _differences(first: dict[str, Any], other: dict[str, Any], index: int) -> list[str]:
    """Returns a line for each fact that is not the first process's."""
    # As the first one's came through JSON: tuples are lists.
    other = json.loads(json.dumps(other))
    where = f"process {index} on {platform.node()}"
    return [
        f"{name}: {_shown(first, name)} in process 0, {_shown(other, name)} in {where}"
        for name in {**first, **other}
        if first.get(name, ...) != other.get(name, ...)
    ]


def _shown(facts: dict[str, Any], name: str) -> str:
    return f"{facts[name]}"[:200] if name in facts else "nothing"


def _wait_for(folder: str, count: int, deadline: float) -> list[Any]:
    """Returns the values below a key once there are `count`.

    Raises:
      RunFailedError: where they do not come in time.
    """
    client: Any = distributed.global_state.client
    while len(values := client.key_value_dir_get(folder)) < count:
        if time.monotonic() > deadline:
            raise RunFailedError(
                "the other processes of this run did not come to the same place in time; see what "
                "they say"
            )
        time.sleep(_POLL_SECONDS)
    return [json.loads(value) for _, value in values]


@contextlib.contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # of the store: it went with the first process
        raise RunFailedError(
            f"{ENDED} ({str(error).strip().partition(chr(10))[0][:300]})"
        ) from None
