"""A run's state on disk: model, optimiser and host state in one commit. Alone in knowing orbax.

A step's folder appears by a rename when it is complete, so a run killed while it saves
goes on from the step before.
"""

import dataclasses
import logging
import operator
import shutil
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from jaxdet.errors import RunFailedError, UserError

# The numbers by which checkpoints are ranked, under a name each: the larger the better, later
# ones decide between equals.
Ranks = dict[str, list[float]]

# In the name of a step's folder until all of it is written.
_UNFINISHED = ".orbax-checkpoint-tmp"

# orbax tells of every step of its work at INFO, and of ordinary choices at WARNING.
logging.getLogger("absl").setLevel(logging.ERROR)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Restored:
    """One checkpoint.

    Attributes:
      step: updates done.
      state: the arrays, as the pytree they were saved from.
      host: plain JSON data saved beside them.
    """

    step: int
    state: Any
    host: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run: the latest few, and the best by each of some ranks."""

    def __init__(
        self, folder: Path, *, keep_latest: int, ranks: tuple[str, ...], read_only: bool = False
    ):
        """Opens the folder; unless `read_only`, makes it and clears leftovers of a crash away."""
        best = [_best_policy(name) for name in ranks]
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policies.AnyPreservationPolicy(
                [policies.LatestN(keep_latest), *best]
            ),
            # Ranks are written only where there is a best_fn; the policy above decides instead.
            best_fn=_first_rank,
            create=not read_only,
            read_only=read_only,
        )
        if not read_only:
            _clear_leftovers(folder)
        self._folder = folder
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)

    def save(self, step: int, state: Any, *, host: dict[str, Any], ranks: Ranks | None) -> None:
        """Saves in the background. `ranks` is None for checkpoints that are not candidates.

        Raises:
          RunFailedError: where this or the save before it could not be written.
        """
        items = ocp.args.Composite(state=ocp.args.StandardSave(state), host=ocp.args.JsonSave(host))
        try:
            self._manager.save(step, args=items, metrics=ranks)
        except Exception as error:
            raise self._cannot_write(step, error) from error

    def wait(self) -> None:
        """Returns when all is on disk.

        Raises:
          RunFailedError: where something could not be written.
        """
        try:
            self._manager.wait_until_finished()
            self._manager.check_for_errors()
        except Exception as error:
            raise self._cannot_write(self._manager.latest_step(), error) from error

    def _cannot_write(self, step: int | None, error: Exception) -> RunFailedError:
        return RunFailedError(f"{self._folder}: checkpoint {step} cannot be written: {error}")

    def latest_step(self) -> int | None:
        """The newest complete checkpoint, or None."""
        step: int | None = self._manager.latest_step()
        return step

    def best_step(self, rank: str) -> int | None:
        """The checkpoint with the largest rank of this name, the newest among equals; or None."""
        saved = {step: self._manager.metrics(step) for step in self._manager.all_steps()}
        ranked = [(ranks[rank], step) for step, ranks in saved.items() if ranks is not None]
        return max(ranked)[1] if ranked else None

    def restore(self, step: int, like: Any) -> Restored:
        """A checkpoint, its arrays placed as those of `like` (arrays or shapes with shardings).

        Raises:
          UserError: where it does not fit `like`.
        """
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        items = ocp.args.Composite(
            state=ocp.args.StandardRestore(abstract), host=ocp.args.JsonRestore()
        )
        try:
            restored = self._manager.restore(step, args=items)
        except (ValueError, KeyError, FileNotFoundError) as error:
            first = str(error).strip().splitlines()[0]
            raise UserError(f"{self._folder}/{step}: does not fit this model: {first}") from None
        return Restored(step=step, state=restored["state"], host=restored["host"])

    def close(self) -> None:
        """Waits for what is being written and lets go of the folder."""
        self._manager.close()


def _clear_leftovers(folder: Path) -> None:
    """Removes what a crash left half written.

    orbax can do this in a thread of its own, but nothing waits for that one: it fails aloud where
    the process ends before it.
    """
    if jax.process_index() == 0:
        for left in folder.glob(f"*{_UNFINISHED}*"):
            shutil.rmtree(left)


def _first_rank(ranks: Ranks) -> list[float]:
    return next(iter(ranks.values()))


def _best_policy(rank: str) -> policies.BestN:
    # Checkpoints within an epoch have no ranks: only LatestN keeps those.
    return policies.BestN(
        get_metric_fn=operator.itemgetter(rank), n=1, keep_checkpoints_without_metrics=False
    )
