"""What happens when a loss or a gradient is not finite: a bundle that repeats the step, or a skip.

A bundle is the folder `nonfinite/<step>` of the run: `bundle.json`, and `batch-<host>.npz` with
what that host fed (u8 `image` [b, H, W, 3], i32 `label` [b], i64 `index` [b]).
`python -m jaxdet.train.replay` repeats its step.
"""

import dataclasses
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxdet import config as schema
from jaxdet.config.dotted import dotted_names
from jaxdet.data.loaders import Batch
from jaxdet.errors import RunFailedError
from jaxdet.progress import say
from jaxdet.results import RunFolder
from jaxdet.workdir.drafts import replacing
from jaxdet.workdir.files import within, write_json

BUNDLE = "bundle.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Update:
    """Describes what the host knows of one update.

    Attributes:
      step: its number, from 1.
      rate: the learning rate.
      batch: this host's rows.
      loss: of the whole batch.
      grad_norm: over all parameters.
    """

    step: int
    rate: float
    batch: Batch
    loss: float
    grad_norm: float

    @property
    def is_finite(self) -> bool:
        """Returns whether loss and gradient norm are finite, as `make_train_step` decides."""
        return bool(np.isfinite(self.loss) and np.isfinite(self.grad_norm))


class NonFinite:
    """Applies the policy of a run (`optim.on_nonfinite`), and counts the updates left out.

    Attributes:
      skipped: updates left out since the run began; part of each checkpoint.
    """

    def __init__(
        self,
        config: schema.Config,
        *,
        run: RunFolder,
        ids: Sequence[str],
        newest: Callable[[], int | None],
        devices: int,
    ):
        """Takes the ids of the training images, and what tells the newest checkpoint's step.

        The checkpoint that is being written is to be waited for: replays begin at the newest.
        """
        self._config, self._run, self._ids = config, run, ids
        self._newest, self._devices = newest, devices
        self.skipped = 0

    def meet(self, update: Update) -> None:
        """Counts an update that is not finite, or ends the run with its bundle.

        Raises:
          RunFailedError: under "stop", or where more than `optim.max_skipped` were left out.
        """
        what = (
            f"step {update.step}: loss {update.loss:g}, gradient norm {update.grad_norm:g}, "
            f"learning rate {update.rate:g}"
        )
        if self._config.optim.on_nonfinite == "skip":
            self.skipped += 1
            if self.skipped <= self._config.optim.max_skipped:
                say(f"{what}: not finite, update left out ({self.skipped} so far)")
                return
            what += f"; {self.skipped} updates that are not finite, optim.max_skipped="
            what += f"{self._config.optim.max_skipped}"
        run_code = ["--run-code"] if dotted_names(self._config) else []
        bundle = str(self._write(update))
        command = shlex.join(["python", "-m", "jaxdet.train.replay", *run_code, bundle])
        raise RunFailedError(
            f"{what}: not finite; checkpoints before it are kept; `{command}` repeats the step; "
            "try a lower --config.optim.learning_rate"
        )

    def _write(self, update: Update) -> Path:
        folder = within(self._run.path, "nonfinite", str(update.step))
        with replacing(folder / f"batch-{jax.process_index()}.npz") as file:
            batch = update.batch
            np.savez(file, image=batch["image"], label=batch["label"], index=batch["index"])
        # On every host: they agree on which checkpoint is sound.
        newest = self._newest()
        if jax.process_index() == 0:
            write_json(folder / BUNDLE, self._facts(update, newest))
        return folder

    def _facts(self, update: Update, newest: int | None) -> dict[str, Any]:
        """Returns plain values; numbers that are not finite as text, which JSON has no form for."""
        return {
            "step": update.step,
            "checkpoint": newest,
            "seed": self._config.seed,
            "learning_rate": update.rate,
            "loss": str(update.loss),
            "grad_norm": str(update.grad_norm),
            "skipped": self.skipped,
            "devices": self._devices,
            "hosts": jax.process_count(),
            "image_ids": [self._ids[i] for i in update.batch["index"]],
            "config": schema.to_json_dict(self._config),
        }
