"""Handles a loss or gradient that is not finite: a bundle that repeats the step, or a skip.

A bundle is the folder `nonfinite/<step>` of the run: `bundle.json`, and `batch-<host>.npz` with
what that host fed (u8 `image` [b, H, W, 3], i32 `label` [b], i64 `index` [b]).
`python -m jaxdet.train.replay` repeats its step.
"""

import shlex
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxdet.config.dotted import dotted_names
from jaxdet.config.forms import to_json_dict
from jaxdet.errors import RunFailedError
from jaxdet.progress import say
from jaxdet.train.parts import Parts
from jaxdet.train.updates import Update
from jaxdet.workdir.drafts import replacing
from jaxdet.workdir.files import within, write_json
from jaxdet.workdir.watchdog import stage

BUNDLE = "bundle.json"


def leave_out(parts: Parts, update: Update, *, skipped: int) -> int:
    """Returns the count of updates left out, with one that is not finite; or ends the run.

    Raises:
      RunFailedError: where `optim.on_nonfinite` stops the run, or more than `optim.max_skipped`
        were left out; there is a bundle then.
    """
    optim = parts.config.optim
    what = (
        f"step {update.step}: loss {update.loss:g}, gradient norm {update.grad_norm:g}, "
        f"learning rate {update.rate:g}"
    )
    if optim.on_nonfinite == "skip":
        skipped += 1
        if skipped <= optim.max_skipped:
            say(f"{what}: not finite, update left out ({skipped} so far)")
            return skipped
        what += f"; {skipped} updates that are not finite, optim.max_skipped={optim.max_skipped}"
    run_code = ["--run-code"] if dotted_names(parts.config) else []
    bundle = str(_write(parts, update, skipped))
    command = shlex.join(["python", "-m", "jaxdet.train.replay", *run_code, bundle])
    raise RunFailedError(
        f"{what}: not finite; checkpoints before it are kept; `{command}` repeats the step; "
        "try a lower --config.optim.learning_rate"
    )


def _write(parts: Parts, update: Update, skipped: int) -> Path:
    folder = within(parts.run.path, "nonfinite", str(update.step))
    with replacing(folder / f"batch-{jax.process_index()}.npz") as file:
        batch = update.batch
        np.savez(file, image=batch["image"], label=batch["label"], index=batch["index"])
    # A replay begins at the newest checkpoint; all hosts agree on which that is.
    with stage("waiting for a checkpoint to be written"):
        parts.checkpoints.wait()
    newest = parts.checkpoints.latest_step()
    if jax.process_index() == 0:
        write_json(folder / BUNDLE, _facts(parts, update, skipped=skipped, newest=newest))
    return folder


def _facts(parts: Parts, update: Update, *, skipped: int, newest: int | None) -> dict[str, Any]:
    """Returns plain values; numbers that are not finite as text, which JSON has no form for."""
    return {
        "step": update.step,
        "checkpoint": newest,
        "seed": parts.config.seed,
        "learning_rate": update.rate,
        "loss": str(update.loss),
        "grad_norm": str(update.grad_norm),
        "skipped": skipped,
        "devices": parts.mesh.size,
        "hosts": jax.process_count(),
        "image_ids": [parts.train_set.ids[i] for i in update.batch["index"]],
        "config": to_json_dict(parts.config),
    }
