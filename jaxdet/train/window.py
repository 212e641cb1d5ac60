"""What `metrics.jsonl` says of training: means over the steps since its last line."""

import time
from typing import Any

import jax
import numpy as np

from jaxdet import metrics
from jaxdet.errors import RunFailedError


class Window:
    """The steps since the last line of metrics, each fetched while the next one runs."""

    def __init__(self, kept: dict[str, Any] | None = None) -> None:
        """Begins an empty one, or goes on with what an earlier process kept of its own."""
        self._begin()
        if kept is not None:
            self._losses += kept["losses"]
            self._norms += kept["norms"]
            self._logits += [np.array(row, np.float32) for row in kept["logits"]]
            self._labels += [np.array(row, np.int32) for row in kept["labels"]]

    def _begin(self) -> None:
        self._losses: list[float] = []
        self._norms: list[float] = []
        self._logits: list[np.ndarray] = []
        self._labels: list[np.ndarray] = []
        self._rate = 0.0
        self._waiting: tuple[int, dict[str, jax.Array]] | None = None
        self._started = time.monotonic()

    def add(self, step: int, rate: float, scalars: dict[str, jax.Array]) -> None:
        """Takes the results of a step, and fetches those of the step before."""
        self._fetch()
        self._waiting, self._rate = (step, scalars), rate

    def _fetch(self) -> None:
        if self._waiting is None:
            return
        step, scalars = self._waiting
        self._waiting = None
        values = jax.device_get(scalars)
        if not np.isfinite(values["loss"]):
            raise RunFailedError(
                f"the loss of step {step} is {values['loss']} (learning rate {self._rate:g}); "
                "checkpoints before it are kept; try a lower --config.optim.learning_rate"
            )
        self._losses.append(float(values["loss"]))
        self._norms.append(float(values["grad_norm"]))
        self._logits.append(values["logit"])
        self._labels.append(values["label"])

    def keep(self) -> dict[str, Any]:
        """Its steps as JSON data, for a run that ends before their line is written."""
        self._fetch()
        return {
            "losses": self._losses,
            "norms": self._norms,
            "logits": [row.tolist() for row in self._logits],
            "labels": [row.tolist() for row in self._labels],
        }

    def note(self) -> str:
        """The newest loss, for the progress line."""
        return f"loss {self._losses[-1]:.3f}" if self._losses else ""

    def take(self) -> dict[str, float]:
        """Means over the steps since the last call, whose window ends here; {} for no step."""
        self._fetch()
        if not self._losses:
            return {}
        label, logit = np.concatenate(self._labels), np.concatenate(self._logits)
        values = {
            "train/loss": float(np.mean(self._losses)),
            "train/accuracy": metrics.accuracy(label, logit),
            "train/ap": metrics.average_precision(label, logit),
            "train/grad_norm": float(np.mean(self._norms)),
            "lr": self._rate,
            "images_per_second": len(label) / (time.monotonic() - self._started),
        }
        self._begin()
        return values
