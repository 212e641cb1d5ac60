"""Saves a run's state in one commit: model, optimiser and host state. Alone in knowing orbax.

orbax writes a step's arrays in the background; then every file is synced and summed up
(`manifest`), and a rename gives the step its name. So a run killed while it saves goes on from
the step before, and a step that has a name is complete, or seen to be damaged when it is opened.
"""

import concurrent.futures
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from jaxdet.errors import (
    DISK_ADVICE,
    DiskFullError,
    RunFailedError,
    UserError,
    first_line,
    writing_to,
)
from jaxdet.progress import say
from jaxdet.runtime import steps
from jaxdet.runtime.hosts import agreed, meet
from jaxdet.runtime.intact import IntactSteps
from jaxdet.runtime.layouts import as_saved
from jaxdet.runtime.manifest import Manifest, Ranks, seal
from jaxdet.runtime.quiet import hush_orbax
from jaxdet.workdir import disk_space
from jaxdet.workdir.utf8 import check_utf8

__all__ = ["Checkpoints", "Ranks", "Restored"]


hush_orbax()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Restored:
    """Holds one checkpoint.

    Attributes:
      step: updates done.
      state: the arrays, as the pytree they were saved from.
      host: plain JSON data saved beside them.
    """

    step: int
    state: Any
    host: dict[str, Any]


class Checkpoints:
    """Manages the checkpoints of one run: the latest few, and the best by each of some ranks."""

    def __init__(
        self,
        folder: Path,
        *,
        keep_latest: int,
        ranks: tuple[str, ...],
        read_only: bool = False,
        wait_for_space: bool = False,
        config_hash: str = "",
        commit: str = "",
    ):
        """Opens the folder.

        Unless `read_only`, makes it, reads every step in it and sets aside what is damaged, and
        clears leftovers of a crash away.

        Args:
          folder: where a folder for each step is, or will be.
          keep_latest: how many of the newest steps stay.
          ranks: names of the ranks, the best step by each of which stays.
          read_only: change nothing, whatever is found.
          wait_for_space: on a full disk wait for space instead of ending the run. Each save then
            returns when it is on disk, since only then the state is still there to be saved again.
          config_hash: for the manifests.
          commit: for the manifests.
        """
        check_utf8(folder, "checkpoints")
        self._folder, self._keep_latest, self._rank_names = folder, keep_latest, ranks
        self._waits = wait_for_space
        self._about = {"config_hash": config_hash, "commit": commit}
        self._intact = IntactSteps(folder)
        self._checkpointer = ocp.AsyncCheckpointer(ocp.CompositeCheckpointHandler())
        self._finisher = concurrent.futures.ThreadPoolExecutor(1, "checkpoint")
        self._pending: tuple[int, concurrent.futures.Future[None]] | None = None
        if not read_only:
            self._tidy()

    def _tidy(self) -> None:
        if jax.process_index() == 0:
            with writing_to(self._folder):
                self._folder.mkdir(parents=True, exist_ok=True)
            steps.clear_leftovers(self._folder)
            steps.set_aside_damaged(self._folder)
        meet("checkpoints are tidy")

    def _path(self, step: int) -> Path:
        return self._folder.absolute() / str(step)

    def save(self, step: int, state: Any, *, host: dict[str, Any], ranks: Ranks | None) -> None:
        """Saves in the background. `ranks` is None for checkpoints that are not candidates.

        A step that is there already, saved without ranks, is replaced.

        Raises:
          RunFailedError: where this or the save before it could not be written.
        """
        self.wait()
        while not self._is_begun(step, state, host, ranks):
            disk_space.pause()

    def ensure_space(self, state: Any, *, what: str = "a checkpoint") -> None:
        """Checks that there is disk space for another checkpoint, or waits for it.

        Raises:
          RunFailedError: where there is none, and waiting was not asked for.
        """
        manifests = steps.manifests(self._folder)
        sizes = (manifests[max(manifests)].bytes,) if manifests else _sizes(state)
        needed = disk_space.with_slack(sum(sizes))

        def is_enough() -> bool:
            return agreed(disk_space.free_bytes(self._folder) >= needed)

        if is_enough():
            return
        shortage = disk_space.shortage(self._folder, needed)
        line = f"{self._folder}: no disk space for {what}, {shortage}"
        if not self._waits:
            raise DiskFullError(f"{line}; {_kept(manifests)}{DISK_ADVICE}")
        disk_space.wait_for(is_enough, line)

    def _is_begun(self, step: int, state: Any, host: dict[str, Any], ranks: Ranks | None) -> bool:
        """Begins a save, and ends it where space is waited for; False where that was in vain."""
        self.ensure_space(state, what=f"checkpoint {step}")
        try:
            self._begin(step, state, host, ranks)
            if self._waits:
                self.wait()
        except DiskFullError as error:
            if not self._waits or jax.process_count() > 1:
                raise
            say(f"{error}; trying again (checkpoint.on_full_disk=wait)")
            return False
        return True

    def _begin(self, step: int, state: Any, host: dict[str, Any], ranks: Ranks | None) -> None:
        items = {"state": ocp.args.StandardSave(as_saved(state)), "host": ocp.args.JsonSave(host)}
        if ranks is not None:
            # They are in the manifest as well; orbax's other tools find them here.
            items["metrics"] = ocp.args.JsonSave(ranks)
        try:
            draft = steps.draft_of(self._path(step))
            self._checkpointer.save(draft, args=ocp.args.Composite(**items))
        except Exception as error:
            raise self._failed(step, error) from error
        self._pending = (step, self._finisher.submit(self._finish, step, ranks))

    def _finish(self, step: int, ranks: Ranks | None) -> None:
        """Gives the step its manifest, then its name, in the background; then removes old steps."""
        self._checkpointer.wait_until_finished()
        if jax.process_index() > 0:
            return
        path = self._path(step)
        draft = steps.draft_of(path)
        seal(draft, step=step, ranks=ranks, **self._about)
        steps.publish(draft, path)
        self._intact.add(step)
        manifests = steps.manifests(self._folder)
        keep = steps.kept(manifests, latest=self._keep_latest, ranks=self._rank_names)
        for old in manifests.keys() - keep:
            steps.remove(self._folder / str(old))

    def check(self) -> None:
        """Raises what a save in the background ended with; returns at once.

        Raises:
          RunFailedError: where it could not be written.
        """
        if self._pending is not None and self._pending[1].done() and jax.process_count() == 1:
            self.wait()

    def wait(self) -> None:
        """Returns when all is on disk.

        Raises:
          RunFailedError: where something could not be written.
        """
        if self._pending is None:
            return
        (step, pending), self._pending = self._pending, None
        try:
            pending.result()
        except Exception as error:
            raise self._failed(step, error) from error
        meet(f"checkpoint {step} is saved")

    def _failed(self, step: int, error: Exception) -> RunFailedError:
        """Removes what was written of it."""
        if jax.process_index() == 0:
            steps.clear_failed(self._path(step))
        what = f"{self._folder}: checkpoint {step} cannot be written"
        kept = _kept(steps.manifests(self._folder))
        if disk_space.is_full(error):
            return DiskFullError(f"{what}, the disk is full; {kept}{DISK_ADVICE}")
        return RunFailedError(f"{what}: {first_line(error)}; {kept}".removesuffix("; "))

    def latest_step(self) -> int | None:
        """Returns the newest intact checkpoint; None where nothing was ever saved.

        Raises:
          RunFailedError: where checkpoints are there and none of them is intact.
        """
        return self._intact.latest()

    def has_step(self, step: int) -> bool:
        """Returns whether an intact checkpoint of this step is there."""
        return self._intact.has(step)

    def best_step(self, rank: str) -> int | None:
        """Returns the intact checkpoint with the largest rank of this name; or None.

        The newest among equals. Where the best of all is damaged, the next best that is there.
        """
        return self._intact.best(rank)

    def restore(self, step: int, like: Any) -> Restored:
        """Restores a checkpoint, arrays placed as in `like` (arrays or shapes with shardings).

        Raises:
          UserError: where it does not fit `like`.
        """
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        items = ocp.args.Composite(
            state=ocp.args.StandardRestore(abstract), host=ocp.args.JsonRestore()
        )
        try:
            restored = self._checkpointer.restore(self._path(step), args=items)
        except (ValueError, KeyError, FileNotFoundError) as error:
            raise UserError(
                f"{self._folder}/{step}: does not fit this model as this version "
                f"of jaxdet builds it: {first_line(error)}"
            ) from None
        return Restored(step=step, state=restored["state"], host=restored["host"])

    def close(self) -> None:
        """Waits for what is being written and lets go of the folder."""
        try:
            self.wait()
        finally:
            self._finisher.shutdown()
            self._checkpointer.close()


def _sizes(state: Any) -> Iterable[int]:
    return (leaf.nbytes for leaf in jax.tree.leaves(state))


def _kept(manifests: dict[int, Manifest]) -> str:
    return f"checkpoint {max(manifests)} is kept; " if manifests else ""
