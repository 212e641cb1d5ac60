"""Passes the lines of `metrics.jsonl` on to TensorBoard and Weights & Biases.

Alone in knowing either library. `metrics.jsonl` stays what a run goes on from: a tracker that fails
while the run trains is left out from then on, and the run logs why.
"""

import contextlib
import importlib
import importlib.util
import os
import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import jax

from jaxdet.config.forms import to_json_dict
from jaxdet.config.schema import Config
from jaxdet.errors import MissingLibraryError, first_line
from jaxdet.progress import say
from jaxdet.results.folder import RunFolder
from jaxdet.workdir.files import read_json, to_json
from jaxdet.workdir.identity import fingerprint_of


class Tracker(Protocol):
    """Takes the numbers of a run as it goes."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Takes the numbers of a step."""

    def close(self, *, failed: bool) -> None:
        """Writes out what waits."""


class Trackers:
    """Opens the trackers of a config at the first line, in the first of several processes.

    Use as a context manager, which closes them.
    """

    def __init__(self, config: Config, run: RunFolder):
        """Takes the config of the run and its folder."""
        self._config, self._run = config, run
        names = config.runtime.trackers if jax.process_index() == 0 else ()
        self._open: dict[str, Tracker | None] = dict.fromkeys(names)

    def write(self, step: int, values: Mapping[str, float], *, after: int) -> None:
        """Gives each the numbers of a step.

        TensorBoard drops what an earlier start wrote of steps `after` that the run goes on from.
        """
        for name, tracker in list(self._open.items()):
            with self._kept(name):
                tracker = tracker or _TRACKERS[name](self._config, self._run, after)
                self._open[name] = tracker
                tracker.write(step, values)

    def __enter__(self) -> "Trackers":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Whatever ended the run early, a signal too, counts as a failure there.
        failed = kind is not None
        for name, tracker in list(self._open.items()):
            with self._kept(name):
                if tracker is not None:
                    tracker.close(failed=failed)
        self._open.clear()

    @contextlib.contextmanager
    def _kept(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of a library, a disk or a network
            self._open.pop(name, None)
            say(f"{name}: left out from now on ({first_line(error):.200}); the run goes on")


class _TensorBoard:
    """Writes event files to RUN/tensorboard, by the writer that TensorBoard itself brings."""

    def __init__(self, config: Config, run: RunFolder, step: int):
        del config
        events = importlib.import_module("tensorboard.summary.writer.event_file_writer")
        self._event = importlib.import_module("tensorboard.compat.proto.event_pb2")
        self._summary = importlib.import_module("tensorboard.compat.proto.summary_pb2").Summary
        self._writer = events.EventFileWriter(str(run.tensorboard))
        start = self._event.SessionLog(status=self._event.SessionLog.START)
        self._add(step + 1, session_log=start)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Adds a scalar for each number, and has them on disk."""
        scalars = [self._summary.Value(tag=tag, simple_value=v) for tag, v in values.items()]
        self._add(step, summary=self._summary(value=scalars))

    def _add(self, step: int, **what: Any) -> None:
        self._writer.add_event(self._event.Event(step=step, wall_time=time.time(), **what))
        self._writer.flush()

    def close(self, *, failed: bool) -> None:
        """Closes the file."""
        del failed
        self._writer.close()


class _Wandb:
    """Logs to Weights & Biases; WANDB_MODE, WANDB_PROJECT and the like hold."""

    def __init__(self, config: Config, run: RunFolder, step: int):
        del step
        wandb = importlib.import_module("wandb")
        # All starts of a run are one run there, too, whatever code of one's own has changed.
        env = {key: value for key, value in read_json(run.env).items() if key != "outside"}
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "jaxdet"),
            name=run.path.name,
            id=fingerprint_of(to_json(env)),
            resume="allow",
            dir=run.wandb.parent,
            config=to_json_dict(config),
        )
        # A run that goes on repeats steps, which its own counter does not take.
        self._run.define_metric("*", step_metric="step")

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Logs the numbers by their step."""
        self._run.log({"step": step, **values})

    def close(self, *, failed: bool) -> None:
        """Ends the run there."""
        self._run.finish(exit_code=int(failed))


# By the names of the libraries, which are those of the options and of the extras.
_TRACKERS: Mapping[str, Callable[[Config, RunFolder, int], Tracker]] = MappingProxyType(
    {"tensorboard": _TensorBoard, "wandb": _Wandb}
)


def check_installed(config: Config) -> None:
    """Sees that the trackers of a config are there, in the process that opens them.

    Raises:
      MissingLibraryError: naming the one that is not.
    """
    for name in config.runtime.trackers if jax.process_index() == 0 else ():
        spec = importlib.util.find_spec(name)
        # A folder of that name in the working directory is no library.
        if spec is None or spec.origin is None:
            raise MissingLibraryError(
                f"runtime.trackers: {name} is not installed: pip install 'jaxdet[{name}]'"
            )
