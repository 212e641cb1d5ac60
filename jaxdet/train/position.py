"""Holds where a run stands: all that changes in it, in one frozen value."""

import dataclasses
from typing import Any

from jaxdet.runtime.checkpoint import Restored
from jaxdet.train.plateau import PlateauState
from jaxdet.train.state import TrainState
from jaxdet.train.updates import Update, Window


@dataclasses.dataclass(frozen=True, kw_only=True)
class Position:
    """Holds all that changes in a run: the arrays, and what the host knows.

    Attributes:
      state: on the devices; the next step uses its memory again.
      step: updates done, those that were left out among them.
      epoch: passes that are finished, with their validation.
      plateau: the learning rate's history.
      waits: updates at the run's start that teach the detector nothing.
      bad: ids of training images that could not be read, in the order they were met.
      skipped: updates left out because they were not finite.
      window: the updates whose line of metrics is not written yet.
      launched: the newest update, until it is fetched.
    """

    state: TrainState
    step: int
    epoch: int
    plateau: PlateauState
    waits: int = 0
    bad: tuple[str, ...] = ()
    skipped: int = 0
    window: Window = dataclasses.field(default_factory=Window)
    launched: Update | None = None

    @property
    def has_learned(self) -> bool:
        """Returns whether any update was one that the detector learns from."""
        return self.step > self.waits

    def to_host(self) -> dict[str, Any]:
        """Returns what a checkpoint holds besides the arrays, as JSON data; nothing is launched."""
        return {
            "plateau": dataclasses.asdict(self.plateau),
            "waits": self.waits,
            "bad": list(self.bad),
            "skipped": self.skipped,
            "window": self.window.to_json(skipped=self.skipped),
        }


def restored_position(restored: Restored, *, epoch: int) -> Position:
    """Returns the position that a checkpoint holds, in the given epoch."""
    host = restored.host
    window = host["window"] or {"skipped_before": host["skipped"]}
    return Position(
        state=restored.state,
        step=restored.step,
        epoch=epoch,
        plateau=PlateauState(**host["plateau"]),
        waits=host.get("waits", 0),
        bad=tuple(host["bad"]),
        skipped=host["skipped"],
        window=Window(**window),
    )
