"""What a run writes while it goes: `metrics.jsonl`."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import jax

from jaxdet.files import write_bytes
from jaxdet.results import read_metrics


class Logbook:
    """Appends lines to `metrics.jsonl`, one JSON object each."""

    def __init__(self, path: Path, *, keep_to_step: int, validated: bool = True):
        """Opens the file for going on after a step: later lines, of lost work, are cut off.

        Args:
          path: the file.
          keep_to_step: updates done.
          validated: whether this step's validation is behind the run too, and its line is kept.
        """
        kept = [line for line in read_metrics(path) if line["step"] <= keep_to_step]
        if not validated:
            lost = [x for x in kept if x["step"] == keep_to_step and "val/accuracy" in x]
            kept = [line for line in kept if line not in lost]
        self._path, self._writes = path, jax.process_index() == 0
        if self._writes:
            write_bytes(path, "".join(json.dumps(line) + "\n" for line in kept).encode())

    def write(self, step: int, epoch: float, values: Mapping[str, float]) -> None:
        """Adds a line, by the first of several processes. On disk when the call returns."""
        if not self._writes:
            return
        line = json.dumps({"step": step, "epoch": epoch, **values}, allow_nan=False)
        with open(self._path, "a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
