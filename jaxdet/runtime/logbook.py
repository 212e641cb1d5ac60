"""What a run writes while it goes: `metrics.jsonl`."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from jaxdet.files import write_bytes
from jaxdet.results import read_metrics


class Logbook:
    """Appends lines to `metrics.jsonl`, one JSON object each."""

    def __init__(self, path: Path, *, keep_to_step: int):
        """Opens the file for going on after a step: later lines, of lost work, are cut off."""
        kept = [line for line in read_metrics(path) if line["step"] <= keep_to_step]
        write_bytes(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
        self._path = path

    def write(self, step: int, epoch: float, values: Mapping[str, float]) -> None:
        """Adds a line. On disk when the call returns."""
        line = json.dumps({"step": step, "epoch": epoch, **values}, allow_nan=False)
        with open(self._path, "a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
