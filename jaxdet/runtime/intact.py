"""Finds which of a run's checkpoints are intact, and which of those to take."""

from collections.abc import Iterable
from pathlib import Path

from jaxdet.errors import RunFailedError
from jaxdet.progress import say
from jaxdet.runtime import steps
from jaxdet.runtime.manifest import DamagedError, verify


class IntactSteps:
    """Finds the intact steps in a folder of checkpoints: those that are as they were saved.

    Nothing is renamed here. A step is read when it is about to be taken, once; one that is
    damaged is logged, and the next in order is looked at.
    """

    def __init__(self, folder: Path):
        """Takes the folder."""
        self._folder = folder
        self._intact: set[int] = set()
        self._damaged: set[int] = set()

    def add(self, step: int) -> None:
        """Trusts a step that this process has just saved."""
        self._intact.add(step)

    def has(self, step: int) -> bool:
        """Returns whether a step is there, and as it was saved."""
        return step in steps.saved_steps(self._folder) and self._is_intact(step)

    def latest(self) -> int | None:
        """Returns the newest intact step; None where nothing was ever saved.

        Raises:
          RunFailedError: where checkpoints are there and none of them is intact.
        """
        step = self._first(reversed(steps.saved_steps(self._folder)))
        lost = [*map(str, sorted(self._damaged)), *steps.set_aside(self._folder)]
        if step is None and lost:
            raise RunFailedError(
                f"{self._folder}: no intact checkpoint is left ({', '.join(lost)}); bring back a "
                "copy, or start again with another --workdir"
            )
        return step

    def best(self, rank: str) -> int | None:
        """Returns the intact step of the largest rank of this name, the newest of equals; or None.

        Where the best of all is damaged, the next best that is there, aloud.
        """
        step = self._first(steps.best_first(steps.manifests(self._folder), rank))
        if step is not None and (self._damaged or steps.set_aside(self._folder)):
            say(f"{self._folder}: {rank} is step {step} of those that are intact")
        return step

    def _first(self, candidates: Iterable[int]) -> int | None:
        return next((step for step in candidates if self._is_intact(step)), None)

    def _is_intact(self, step: int) -> bool:
        """Returns whether all of the step's files are as they were saved; logs a line if not."""
        if step in self._intact:
            return True
        path = self._folder / str(step)
        try:
            verify(path)
        except DamagedError as error:
            if step not in self._damaged:
                say(f"{path}: {error}; not used")
            self._damaged.add(step)
            return False
        self._intact.add(step)
        return True
