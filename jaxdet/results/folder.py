"""Where the files of a run lie, and its lines of metrics."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxdet.errors import UserError
from jaxdet.results.checks import is_finite
from jaxdet.workdir.files import parse_json, read_text, within

_NAMES = (
    ".lock", "analysis", "changes.jsonl", "checkpoints", "conditions", "config.json", "env.json",
    "metrics.jsonl", "nonfinite", "predictions", "report", "results.json", "scoring.json",
    "tensorboard", "two_shot", "unvalidated", "validation.npz", "wandb",
)  # fmt: skip
# By any of them a run is known that has lost its config.
_SIGNS = ("checkpoints", "metrics.jsonl", "env.json")
_LONGEST_STEP = 15  # digits


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """Gives the places of a run's files.

    Each raises UserError where a link leads out of the folder, or the name of a set is none.
    """

    path: Path

    def check_links(self) -> None:
        """Raises UserError where a link leads out of the folder, before anything is written."""
        for name in _NAMES:
            within(self.path, name)

    def is_run(self) -> bool:
        """Returns whether the folder is a run: whether it has a config.

        Raises:
          UserError: where that is missing, and other files are those of a run.
        """
        if self.config.is_file():
            return True
        others = [name for name in _SIGNS if os.path.lexists(self.path / name)]
        if others:
            what = "is no file" if os.path.lexists(self.config) else "no such file"
            raise UserError(
                f"{self.config}: {what}, but the folder has the {others[0]} of a run; put back the "
                "config that it began with"
            )
        return False

    def refuse_foreign(self) -> None:
        """Raises UserError where the path is a file, or a folder that holds other things."""
        try:
            children = list(self.path.iterdir())
        except FileNotFoundError:
            return
        except NotADirectoryError:
            raise UserError(f"{self.path}: a file, not a folder; give another --workdir") from None
        # Hidden files may be drafts of an earlier start that was killed here.
        if any(not child.name.startswith(".") for child in children) and not self.is_run():
            raise UserError(f"{self.path}: not empty and no run; give another --workdir")

    @property
    def config(self) -> Path:
        """Returns the path of the resolved config, JSON."""
        return within(self.path, "config.json")

    @property
    def env(self) -> Path:
        """Returns the path of the record of machine, versions and commit, JSON."""
        return within(self.path, "env.json")

    @property
    def metrics(self) -> Path:
        """Returns the path of the metrics; each line is JSON: step, epoch, then named scalars."""
        return within(self.path, "metrics.jsonl")

    @property
    def tensorboard(self) -> Path:
        """Returns the folder of TensorBoard's event files."""
        return within(self.path, "tensorboard")

    @property
    def wandb(self) -> Path:
        """Returns the folder of Weights & Biases."""
        return within(self.path, "wandb")

    @property
    def checkpoints(self) -> Path:
        """Returns the folder of the checkpoints, one folder for each saved step."""
        return within(self.path, "checkpoints")

    @property
    def unvalidated(self) -> Path:
        """Returns the path of the checkpoint of an epoch whose validation a signal ended."""
        return within(self.path, "unvalidated")

    @property
    def lock(self) -> Path:
        """Returns the lock file of the process that works on the run; see `jaxdet.runtime.lock`."""
        return within(self.path, ".lock")

    @property
    def changes(self) -> Path:
        """Returns the path of the accepted changes of the config, one JSON object for each."""
        return within(self.path, "changes.jsonl")

    def earlier_config(self, number: int) -> Path:
        """Returns the path of the config before the change of this number, from 1."""
        return within(self.path, f"config.{number}.json")

    @property
    def results(self) -> Path:
        """Returns the path of the scores of every set, JSON."""
        return within(self.path, "results.json")

    @property
    def scoring(self) -> Path:
        """Returns the path of how long sets took to score, JSON.

        A line has `set`, `images`, `seconds`, `start`, the number of the start that scored them,
        from 1, and `fingerprint`, that of the scores.
        """
        return within(self.path, "scoring.json")

    @property
    def report(self) -> Path:
        """Returns the folder of the page and its tables."""
        return within(self.path, "report")

    def predictions(self, name: str) -> Path:
        """Returns the path of the scores of every image of one set, npz."""
        return within(self.path, "predictions", f"{name}.npz")

    def condition(self, condition: str, name: str) -> Path:
        """Returns the path of the scores of a set's images under another condition, npz.

        That is another protocol, or disturbed images.
        """
        return within(self.path, "conditions", condition, f"{name}.npz")

    def two_shot(self, name: str) -> Path:
        """Returns the path of the crop scores of a set, npz; see `CropScores`.

        Logits of random crops of a few images of the set.
        """
        return within(self.path, "two_shot", f"{name}.npz")

    def spectrum(self, name: str) -> Path:
        """Returns the path of the average spectra of a set, npz; see `Spectrum`."""
        return within(self.path, "analysis", "spectra", f"{name}.npz")

    def ranking(self, name: str) -> Path:
        """Returns the path of images of a set picked by their score, npz; see `Ranked`."""
        return within(self.path, "analysis", "ranking", f"{name}.npz")

    def lineup(self, name: str) -> Path:
        """Returns where a few images of a set lie in the order of their score; see `Lineup`."""
        return within(self.path, "analysis", "lineup", f"{name}.npz")

    @property
    def validation(self) -> Path:
        """Returns the path of the scores of every image of the validation set, npz.

        It lies apart, since a set of tests may have any name.
        """
        return within(self.path, "validation.npz")


def step_number(name: str) -> int | None:
    """Returns the step that a folder of this name holds; None for another name, such as 007."""
    is_number = name.isascii() and name.isdecimal() and len(name) <= _LONGEST_STEP
    return int(name) if is_number and str(int(name)) == name else None


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Returns the lines of `metrics.jsonl`; a last line that a crash cut short is left out.

    Raises:
      UserError: where it cannot be read.
    """
    if not path.exists():
        return []
    try:
        lines = _whole_lines(read_text(path))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    return [
        line
        for line in lines
        if isinstance(line, dict) and type(line.get("step")) is int and is_finite(line["step"])
    ]


def _whole_lines(text: str) -> Iterator[Any]:
    for line in text.splitlines():
        try:
            yield parse_json(line)
        except ValueError:
            return
