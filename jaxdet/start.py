"""Starts runs for a Python program, as `python -m jaxdet.main` does for its command line."""

import os
from collections.abc import Mapping
from typing import Any

from jaxdet import config as schema
from jaxdet.errors import UserError
from jaxdet.report import read_run
from jaxdet.report.frames import RunTables
from jaxdet.run import run
from jaxdet.runtime.determinism import make_deterministic


def train(
    config: schema.Experiment,
    workdir: str | os.PathLike[str] | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    accept_changes: bool = False,
) -> RunTables:
    """Trains in a folder, from where an earlier start got to, and returns what the run has written.

    `config.task` says whether test sets are scored afterwards, too. Nothing leaves by `sys.exit`;
    but where nothing moves for `runtime.hang_seconds` the process ends, a notebook's as well.
    Ctrl-C, which is a notebook's stop button, ends the run at its next step with all work saved; a
    second one, 2 s after the first or later, ends the process at once, a notebook's kernel as well.

    Args:
      config: a `jaxdet.config.Config`, a preset's name ("small", "small:blur_jpeg_0.5"), or a file
        with `get_config`, which runs as code.
      workdir: the run's folder; `runs/NAME` by the config's name where left out.
      options: dotted names, as "optim.batch_size", to values that are laid over the config's.
      accept_changes: whether a run of another config goes on under this one, where it can.

    Raises:
      UserError: for whatever the user can mend, before any work starts.
      RunFailedError: where the run cannot go on.
      Stopped: where a signal asked for the end; call it again to go on.
    """
    return _start(config, workdir, options, accept_changes=accept_changes, trains=True)


def evaluate(
    config: schema.Experiment,
    workdir: str | os.PathLike[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> RunTables:
    """Scores the test sets of a config by the weights of `model.init`; returns what it has written.

    Args:
      config: as in `train`; its `task` counts as eval.
      workdir: as in `train`; not the folder of the run whose weights are scored, so needed where
        the config is that of the run, whose folder `runs/NAME` is.
      options: as in `train`, "model.init" for example.

    Raises:
      UserError: as `train`.
      RunFailedError: as `train`.
      Stopped: as `train`.
    """
    return _start(config, workdir, {**(options or {}), "task": "eval"})


def _start(
    given: schema.Experiment,
    workdir: str | os.PathLike[str] | None,
    options: Mapping[str, Any] | None,
    *,
    accept_changes: bool = False,
    trains: bool = False,
) -> RunTables:
    config = schema.read_options(given, options)
    if trains and config.task == "eval":
        raise UserError("task=eval: trains nothing; call jaxdet.evaluate")
    if config.runtime.deterministic:
        make_deterministic()
    folder = schema.chosen_workdir(None if workdir is None else os.fspath(workdir), config.name)
    run(config, folder, accept_changes=accept_changes)
    return read_run(folder)
