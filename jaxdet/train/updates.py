"""Tracks the updates of a run on the host: one, and those since the last line of metrics."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxdet.data.batches import Batch
from jaxdet.metrics.ranking import average_precision
from jaxdet.metrics.thresholds import accuracy
from jaxdet.train.state import Scalars
from jaxdet.workdir.watchdog import stage


@dataclasses.dataclass(frozen=True, kw_only=True)
class Update:
    """Describes one update; its numbers are on the devices until it is fetched.

    Attributes:
      step: its number, from 1.
      rate: the learning rate.
      batch: this host's rows.
      scalars: what the step gives beside the state.
    """

    step: int
    rate: float
    batch: Batch
    scalars: Scalars

    def fetched(self) -> "Update":
        """Returns the update with its numbers on the host, once the devices have them."""
        with stage(f"step {self.step} on the device"):
            return dataclasses.replace(self, scalars=jax.device_get(self.scalars))

    @property
    def loss(self) -> float:
        """Returns the loss of the whole batch."""
        return float(self.scalars["loss"])

    @property
    def grad_norm(self) -> float:
        """Returns the norm of the gradient over all parameters."""
        return float(self.scalars["grad_norm"])

    @property
    def is_finite(self) -> bool:
        """Returns whether loss and gradient norm are finite, as `make_train_step` decides."""
        return bool(np.isfinite(self.loss) and np.isfinite(self.grad_norm))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Window:
    """Holds the numbers of the updates since the last line of metrics.

    Attributes:
      losses: of each update that was made.
      norms: of its gradient.
      logits: of its batch, [B] each.
      labels: [B] each.
      rate: the newest learning rate.
      skipped_before: how many updates of the run had been left out when it began.
      began: when that was, seconds of `time.monotonic`.
    """

    losses: Sequence[float] = ()
    norms: Sequence[float] = ()
    logits: Sequence[list[float]] = ()
    labels: Sequence[list[int]] = ()
    rate: float = 0.0
    skipped_before: int = 0
    began: float = dataclasses.field(default_factory=time.monotonic)

    def with_update(self, update: Update) -> "Window":
        """Returns the window with a fetched update; of one that was left out, its rate alone."""
        if not update.is_finite:
            return dataclasses.replace(self, rate=update.rate)
        return dataclasses.replace(
            self,
            losses=(*self.losses, update.loss),
            norms=(*self.norms, update.grad_norm),
            logits=(*self.logits, update.scalars["logit"].tolist()),
            labels=(*self.labels, update.scalars["label"].tolist()),
            rate=update.rate,
        )

    def restarted(self) -> "Window":
        """Returns the window with its clock at the beginning."""
        return dataclasses.replace(self, began=time.monotonic())

    def note(self) -> str:
        """Returns the newest loss, for the progress line."""
        return f"loss {self.losses[-1]:.3f}" if self.losses else ""

    def line(self, *, skipped: int) -> dict[str, float]:
        """Returns the means over the updates for `metrics.jsonl`; {} where there was no update.

        Those that were left out are in no mean, but in "train/skipped", the count of the run.
        """
        if self._is_empty(skipped):
            return {}
        return {**self._means(), **({"train/skipped": skipped} if skipped else {})}

    def _is_empty(self, skipped: int) -> bool:
        return not self.losses and skipped == self.skipped_before

    def _means(self) -> dict[str, float]:
        if not self.losses:
            return {}
        label = np.concatenate(self.labels).astype(np.int32)
        logit = np.concatenate(self.logits).astype(np.float32)
        return {
            "train/loss": float(np.mean(self.losses)),
            "train/accuracy": accuracy(label, logit),
            "train/ap": average_precision(label, logit),
            "train/grad_norm": float(np.mean(self.norms)),
            "lr": self.rate,
            "images_per_second": len(label) / (time.monotonic() - self.began),
        }

    def to_json(self, *, skipped: int) -> dict[str, Any] | None:
        """Returns JSON data, for a run that ends before the line is written; None where empty.

        `Window(**data)` goes on with it, its clock at the beginning.
        """
        data = {name: value for name, value in vars(self).items() if name != "began"}
        return None if self._is_empty(skipped) else data
