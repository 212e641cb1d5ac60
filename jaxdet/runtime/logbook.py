"""Logs a run while it goes, to `metrics.jsonl`."""

import json
from collections.abc import Mapping
from pathlib import Path

import jax

from jaxdet.results.folder import read_metrics
from jaxdet.runtime.trackers import Trackers
from jaxdet.workdir.disk_space import keep_trying
from jaxdet.workdir.files import append_line, write_bytes


class Logbook:
    """Appends lines to `metrics.jsonl`, one JSON object each."""

    def __init__(
        self,
        path: Path,
        *,
        keep_to_step: int,
        validated: bool = True,
        wait_for_space: bool = False,
        trackers: Trackers | None = None,
    ):
        """Opens the file for going on after a step: later lines, of lost work, are truncated.

        Args:
          path: the file; it need not be there.
          keep_to_step: the last step whose lines stay.
          validated: whether this step's validation is behind the run too, and its line is kept.
          wait_for_space: on a full disk wait for space instead of ending the run.
          trackers: are given each line, too.
        """
        self._trackers = trackers
        kept = [line for line in read_metrics(path) if line["step"] <= keep_to_step]
        if not validated:
            lost = [x for x in kept if x["step"] == keep_to_step and "val/accuracy" in x]
            kept = [line for line in kept if line not in lost]
        self._path, self._waits, self._kept_to = path, wait_for_space, keep_to_step
        self._writes = jax.process_index() == 0
        if self._writes:
            content = "".join(json.dumps(line) + "\n" for line in kept).encode()
            keep_trying(lambda: write_bytes(path, content), path, wait=wait_for_space)

    def write(self, step: int, epoch: float, values: Mapping[str, float]) -> None:
        """Adds a line, by the first of several processes. On disk when the call returns.

        Raises:
          DiskFullError: where the disk is full and waiting was not asked for.
        """
        if not self._writes:
            return
        line = json.dumps({"step": step, "epoch": epoch, **values}, allow_nan=False) + "\n"
        keep_trying(lambda: append_line(self._path, line), self._path, wait=self._waits)
        if self._trackers is not None:
            self._trackers.write(step, {"epoch": epoch, **values}, after=self._kept_to)
