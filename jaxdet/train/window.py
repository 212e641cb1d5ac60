"""What `metrics.jsonl` says of training: means over the steps since its last line."""

import time
from typing import Any, Protocol

import jax
import numpy as np

from jaxdet import metrics
from jaxdet.data.loaders import Batch
from jaxdet.train.nonfinite import NonFinite, Update
from jaxdet.workdir.watchdog import stage


class Recorder(Protocol):
    """Takes the results of the steps of a run."""

    def add(self, step: int, rate: float, batch: Batch, scalars: dict[str, jax.Array]) -> None:
        """Takes the results of a step; see `Window.add`."""


class Window:
    """Collects the steps since the last line of metrics, each fetched while the next one runs."""

    def __init__(self, nonfinite: NonFinite, kept: dict[str, Any] | None = None) -> None:
        """Begins an empty one, or goes on with what an earlier process kept of its own.

        Args:
          nonfinite: meets the steps whose numbers are not finite.
          kept: what `keep` gave.
        """
        self._nonfinite = nonfinite
        self._begin()
        if kept is not None:
            self._losses += kept["losses"]
            self._norms += kept["norms"]
            self._logits += [np.array(row, np.float32) for row in kept["logits"]]
            self._labels += [np.array(row, np.int32) for row in kept["labels"]]
            self._skipped, self._rate = kept["skipped_before"], kept["rate"]

    def _begin(self) -> None:
        self._losses: list[float] = []
        self._norms: list[float] = []
        self._logits: list[np.ndarray] = []
        self._labels: list[np.ndarray] = []
        self._skipped = self._nonfinite.skipped
        self._rate = 0.0
        self._waiting: tuple[int, float, Batch, dict[str, jax.Array]] | None = None
        self._started = time.monotonic()

    def add(self, step: int, rate: float, batch: Batch, scalars: dict[str, jax.Array]) -> None:
        """Takes the results of a step, and fetches those of the step before.

        Args:
          step: its number, from 1.
          rate: the learning rate.
          batch: this host's rows.
          scalars: what the step gives beside the state.

        Raises:
          RunFailedError: where the step before was not finite; see `NonFinite`.
        """
        self._fetch()
        self._waiting, self._rate = (step, rate, batch, scalars), rate

    def _fetch(self) -> None:
        if self._waiting is None:
            return
        step, rate, batch, scalars = self._waiting
        self._waiting = None
        with stage(f"step {step} on the device"):
            values: dict[str, Any] = jax.device_get(scalars)
        loss, norm = float(values["loss"]), float(values["grad_norm"])
        update = Update(step=step, rate=rate, batch=batch, loss=loss, grad_norm=norm)
        if not update.is_finite:
            self._nonfinite.meet(update)
            return
        self._losses.append(loss)
        self._norms.append(norm)
        self._logits.append(values["logit"])
        self._labels.append(values["label"])

    def keep(self) -> dict[str, Any]:
        """Returns the steps as JSON data, for a run that ends before their line is written."""
        self._fetch()
        return {
            "losses": self._losses,
            "norms": self._norms,
            "logits": [row.tolist() for row in self._logits],
            "labels": [row.tolist() for row in self._labels],
            "skipped_before": self._skipped,
            "rate": self._rate,
        }

    def note(self) -> str:
        """Returns the newest loss, for the progress line."""
        return f"loss {self._losses[-1]:.3f}" if self._losses else ""

    def take(self) -> dict[str, float]:
        """Returns means over the steps since the last call, whose window ends here; {} for no step.

        Updates that were left out are in no mean, but in the count "train/skipped" of the run.
        """
        self._fetch()
        total = self._nonfinite.skipped
        values = {**self._means(), **({"train/skipped": total} if total else {})}
        is_new = bool(self._losses) or total > self._skipped
        self._begin()
        return values if is_new else {}

    def _means(self) -> dict[str, float]:
        if not self._losses:
            return {}
        label, logit = np.concatenate(self._labels), np.concatenate(self._logits)
        return {
            "train/loss": float(np.mean(self._losses)),
            "train/accuracy": metrics.accuracy(label, logit),
            "train/ap": metrics.average_precision(label, logit),
            "train/grad_norm": float(np.mean(self._norms)),
            "lr": self._rate,
            "images_per_second": len(label) / (time.monotonic() - self._started),
        }
