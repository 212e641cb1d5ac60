"""Starts a training once: finds the position to go on from, then runs the loop."""

import contextlib
import functools

from jaxdet.runtime.logbook import Logbook
from jaxdet.train.features import with_features
from jaxdet.train.loop import train
from jaxdet.train.parts import Parts
from jaxdet.train.position import Position
from jaxdet.train.record import open_logbook
from jaxdet.train.resume import begin, restore


def train_to_end(parts: Parts) -> None:
    """Trains to the end, from the newest checkpoint of the run folder where there is one.

    Raises:
      UserError: where the images are not those the run began with.
      RunFailedError: as `train`, or where none of the checkpoints that are there is intact.
      Stopped: where a signal asked for the end; all work is saved.
    """
    # Checkpoints are closed before what may wait for a network.
    with parts.trackers, contextlib.closing(parts.checkpoints):
        train(functools.partial(_begin, parts))


def _begin(parts: Parts) -> tuple[Parts, Position, Logbook]:
    """Returns the parts for the next step, where the run stands, and its logbook.

    The parts may read features, which can take hours to make. What else can fail comes before.
    """
    position = restore(parts) or begin(parts)
    logbook = open_logbook(parts, position)
    if not parts.is_over(position):
        parts.checkpoints.ensure_space(position.state)
        parts = with_features(parts, position)
    return parts, position, logbook
