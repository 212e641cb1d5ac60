"""Fetches an update's numbers a step late, collects them and writes them as a line."""

import dataclasses

import numpy as np

from jaxdet.progress import say
from jaxdet.runtime.logbook import Logbook
from jaxdet.train.nonfinite import leave_out
from jaxdet.train.parts import Parts
from jaxdet.train.position import Position
from jaxdet.train.state import TrainState
from jaxdet.train.updates import Update, Window


def record(parts: Parts, position: Position, state: TrainState, launched: Update) -> Position:
    """Returns the position after a step, with the numbers of the step before fetched meanwhile.

    Raises:
      RunFailedError: where the step before was not finite; see `leave_out`.
    """
    position = settle(parts, position)
    return dataclasses.replace(
        position,
        state=state,
        step=launched.step,
        bad=position.bad + _newly_bad(parts, position, launched.batch["bad"]),
        launched=launched,
    )


def settle(parts: Parts, position: Position) -> Position:
    """Returns the position with the numbers of the newest step on the host.

    Raises:
      RunFailedError: where they are not finite; see `leave_out`.
    """
    if position.launched is None:
        return position
    update, skipped = position.launched.fetched(), position.skipped
    if not update.is_finite:
        skipped = leave_out(parts, update, skipped=skipped)
    window = position.window.with_update(update)
    return dataclasses.replace(position, launched=None, skipped=skipped, window=window)


def _newly_bad(parts: Parts, position: Position, rows: np.ndarray) -> tuple[str, ...]:
    """Returns the ids of unreadable images that were not met before, and logs each."""
    met = [parts.train_set.ids[i] for i in rows if i >= 0]
    new = tuple(i for i in dict.fromkeys(met) if i not in position.bad)
    for image in new:
        say(f"unreadable, another image takes its place: {image}")
    return new


def open_logbook(parts: Parts, position: Position) -> Logbook:
    """Returns the run's logbook, with no lines of steps and validations that are to come."""
    return Logbook(
        parts.run.metrics,
        keep_to_step=position.step,
        validated=position.step < parts.epoch_end(position),
        wait_for_space=parts.config.checkpoint.on_full_disk == "wait",
        trackers=parts.trackers,
    )


def write_metrics(parts: Parts, position: Position, logbook: Logbook) -> Position:
    """Writes the line of the updates since the last one, and returns an empty window."""
    position = settle(parts, position)
    window = Window(skipped_before=position.skipped)
    values = position.window.line(skipped=position.skipped)
    if values:
        bad = {"train/unreadable": len(position.bad)} if position.bad else {}
        epoch = position.step / parts.steps_per_epoch
        logbook.write(position.step, epoch, {**values, **bad})
    return dataclasses.replace(position, window=window)
