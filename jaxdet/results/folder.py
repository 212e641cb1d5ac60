"""Where the files of a run lie, and its lines of metrics."""

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxdet.files import read_text
from jaxdet.results.records import is_finite

_LONGEST_STEP = 15  # digits


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The places of a run's files."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved config, JSON."""
        return self.path / "config.json"

    @property
    def env(self) -> Path:
        """Machine, versions and commit, JSON."""
        return self.path / "env.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a line: step, epoch, then named scalars."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """One folder a saved step."""
        return self.path / "checkpoints"

    @property
    def unvalidated(self) -> Path:
        """The checkpoint of an epoch whose validation a signal ended."""
        return self.path / "unvalidated"

    @property
    def lock(self) -> Path:
        """Held by the process that works on the run; see `jaxdet.runtime.lock`."""
        return self.path / ".lock"

    @property
    def changes(self) -> Path:
        """One JSON object for each change of the config that was accepted."""
        return self.path / "changes.jsonl"

    def earlier_config(self, number: int) -> Path:
        """The config before the change of this number, from 1."""
        return self.path / f"config.{number}.json"

    @property
    def results(self) -> Path:
        """The scores of every set, JSON."""
        return self.path / "results.json"

    @property
    def report(self) -> Path:
        """Folder of the page and its tables."""
        return self.path / "report"

    @staticmethod
    def holds(path: Path) -> bool:
        """Returns whether a file is there; none is under a name that no file can have."""
        return os.path.isfile(path)

    def predictions(self, name: str) -> Path:
        """The scores of every image of one set, npz."""
        return self.path / "predictions" / f"{name}.npz"

    def condition(self, condition: str, name: str) -> Path:
        """The same under another condition: another protocol, or disturbed images."""
        return self.path / "conditions" / condition / f"{name}.npz"

    def two_shot(self, name: str) -> Path:
        """Logits of random crops of a few images of a set, npz; see `CropScores`."""
        return self.path / "two_shot" / f"{name}.npz"

    def spectrum(self, name: str) -> Path:
        """Average spectra of a set, npz; see `Spectrum`."""
        return self.path / "analysis" / "spectra" / f"{name}.npz"

    def ranking(self, name: str) -> Path:
        """Images of a set picked by their score, npz; see `Ranked`."""
        return self.path / "analysis" / "ranking" / f"{name}.npz"

    @property
    def validation(self) -> Path:
        """The same of the validation set; apart, since a set of tests may have any name."""
        return self.path / "validation.npz"


def step_number(name: str) -> int | None:
    """Returns the step that a folder of this name holds; None for another name, such as 007."""
    is_number = name.isascii() and name.isdecimal() and len(name) <= _LONGEST_STEP
    return int(name) if is_number and str(int(name)) == name else None


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Returns the lines of `metrics.jsonl` with a step; one that a crash cut short is the end."""
    if not path.exists():
        return []
    return [
        line for line in _whole_lines(read_text(path))
        if isinstance(line, dict) and type(line.get("step")) is int and is_finite(line["step"])
    ]  # fmt: skip


def _whole_lines(text: str) -> Iterator[Any]:
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            return
