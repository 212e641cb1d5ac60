"""Trains from top to bottom. Read this first; `session.py` puts together what it works with.

The order of what follows an epoch is fixed: validate, decide, write the metrics, save. A
checkpoint holds everything decided before it, so a run that was killed at any moment goes
on from the newest one and repeats the lost part bit by bit. A run that a signal asks to end
saves after the step or the batch of validation that it is at, and loses none.
"""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import jax
import numpy as np
from jax.sharding import Mesh

from jaxdet.data.batches import Batch
from jaxdet.data.pipeline import open_batches
from jaxdet.progress import ProgressLine, say
from jaxdet.runtime.logbook import Logbook
from jaxdet.runtime.mesh import one_ahead, put_batch, put_number
from jaxdet.train.parts import Parts
from jaxdet.train.position import Position
from jaxdet.train.record import record, settle, write_metrics
from jaxdet.train.saving import leave, save
from jaxdet.train.state import TrainState
from jaxdet.train.updates import Update
from jaxdet.train.validate import decide, describe_epoch, ranks, validate
from jaxdet.workdir.watchdog import stage

# More batches than any run has: the plateau rule, not a count, ends a run.
_ENDLESS = 2**31 - 1


def train(begin: Callable[[], tuple[Parts, Position, Logbook]]) -> None:
    """Trains from a position to the end.

    Args:
      begin: gives the parts of the run, the position and the logbook. It is called here, since
        nobody else may hold the state that the first step gives back to the devices.

    Raises:
      RunFailedError: where the loss is not finite (unless `optim.on_nonfinite` leaves the update
        out), or a checkpoint cannot be written.
      Stopped: where a signal asked for the end; all work is saved.
    """
    parts, position, logbook = begin()
    log_every, save_every = parts.config.runtime.log_every, parts.config.checkpoint.every_steps
    with open_input(parts, position) as batches:
        while not parts.is_over(position):
            end = parts.epoch_end(position)
            # The time of validation is no part of the images a second.
            position = dataclasses.replace(position, window=position.window.restarted())
            placed = place(parts.mesh, batches, steps=range(position.step + 1, end + 1))
            with _epoch_line(parts, position) as line:
                while position.step < end:
                    step = position.step + 1
                    with jax.profiler.StepTraceAnnotation("train", step_num=step):
                        state, launched = launch(parts, position, *next(placed))
                        position = record(parts, position, state, launched)
                    parts.checkpoints.check()
                    line.advance(note=position.window.note())
                    is_saved = save_every and step % save_every == 0 and step < end
                    # A checkpoint holds no numbers whose line could be written before it.
                    if is_saved or step % log_every == 0:
                        position = write_metrics(parts, position, logbook)
                    if is_saved:
                        save(parts, position)
                    if step < end and (signum := parts.stop.reached()):
                        leave(parts, settle(parts, position), signum)
            position = write_metrics(parts, position, logbook)
            scores = validate(parts, position)
            position = decide(parts, position, scores)
            if scores:
                logbook.write(position.step, position.epoch, scores)
            save(parts, position, ranks=ranks(position, scores))
            say(describe_epoch(parts, position, scores))
    with stage("waiting for the last checkpoint to be written"):
        parts.checkpoints.wait()


def place(
    mesh: Mesh, batches: Iterator[Batch], *, steps: range
) -> Iterator[tuple[Batch, dict[str, jax.Array]]]:
    """Yields the batches of some steps, each with its images and labels on the devices."""

    def each() -> Iterator[tuple[Batch, dict[str, jax.Array]]]:
        for step in steps:
            with stage(f"waiting for the images of step {step}"):
                batch = next(batches)
            with stage(f"placing the images of step {step}"):
                arrays = {"image": batch["image"], "label": batch["label"]}
                placed = put_batch(mesh, arrays)
            yield batch, placed

    return one_ahead(mesh, each())


def launch(
    parts: Parts, position: Position, batch: Batch, placed: dict[str, jax.Array]
) -> tuple[TrainState, Update]:
    """Launches an update by a batch that was placed, and does not wait for it.

    Returns:
      the state after the update, and the update; the state of `position` is used up.
    """
    step, rate = position.step + 1, parts.learning_rate(position)
    with stage(f"launching step {step}"):
        placed_rate = put_number(parts.mesh, np.float32(rate))
        # All that a step takes was placed: another copy from the host would be a mistake.
        with jax.transfer_guard_host_to_device("disallow"):
            state, scalars = parts.train_step(
                position.state, placed["image"], placed["label"], placed_rate
            )
    return state, Update(step=step, rate=rate, batch=batch, scalars=scalars)


def open_input(parts: Parts, position: Position) -> AbstractContextManager[Iterator[Batch]]:
    """Opens the training batches from the position on; see `open_batches`."""
    return open_batches(
        parts.loader, start=position.step, stop=_ENDLESS, runtime=parts.config.runtime
    )


def _epoch_line(parts: Parts, position: Position) -> ProgressLine:
    last = parts.config.optim.max_epochs
    title = f"epoch {position.epoch + 1}" + (f" of {last}" if last else "")
    total = parts.steps_per_epoch
    return ProgressLine(title, total=total, done=position.step - position.epoch * total)
