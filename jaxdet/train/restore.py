"""Opens the checkpoints of a run, and takes the variables of one of them."""

import dataclasses

import jax
import numpy as np
from jax.sharding import Mesh

from jaxdet import config as schema
from jaxdet.config.evaluation import CHECKPOINTS
from jaxdet.convert.card import Card, make_run_card
from jaxdet.convert.load import LoadedWeights
from jaxdet.errors import UserError
from jaxdet.models.detector import Variables, get_detector
from jaxdet.models.outside import check_outside
from jaxdet.progress import say
from jaxdet.results.folder import RunFolder
from jaxdet.runtime import environment
from jaxdet.runtime.checkpoint import Checkpoints, Restored
from jaxdet.runtime.mesh import make_mesh
from jaxdet.train.state import abstract_state
from jaxdet.train.tuning import plain
from jaxdet.train.weights import sha256_of

RANKS = tuple(name for name in CHECKPOINTS if name != "latest")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunWeights:
    """Holds the variables of one checkpoint of a run.

    Attributes:
      variables: numpy arrays.
      choice: why this checkpoint was taken: one of CHECKPOINTS, or "step".
      step: updates that it had seen.
    """

    variables: Variables
    choice: str
    step: int


def open_run(
    run: RunFolder, checkpoint: str | None, step: int | None
) -> tuple[LoadedWeights, Card]:
    """Returns the weights of a run, and what is known of them; see `open_weights`.

    Raises:
      UserError: where it has none.
      RunFailedError: where no checkpoint is intact.
    """
    config = schema.read_config(run.config)
    if config.task == "eval":
        raise UserError(
            f"{run.path}: an evaluation, which has no weights of its own; give those it was of: "
            f"{config.model.init}"
        )
    check_outside(config.model, side=config.augment.crop)
    choice = checkpoint or config.checkpoint_choice
    found = restore_variables(run, config, choice, make_mesh(1), step=step)
    sha256 = sha256_of(found.variables)
    card = make_run_card(run, choice=found.choice, step=found.step, sha256=sha256)
    loaded = LoadedWeights(
        model=config.model,
        variables=found.variables,
        source=str(run.path),
        crop=config.eval_crop,
    )
    return loaded, card


def restore_variables(
    run: RunFolder, trained: schema.Config, choice: str, mesh: Mesh, *, step: int | None = None
) -> RunWeights:
    """Returns the variables of the chosen checkpoint of a run.

    A damaged checkpoint is passed over, and said: the next best, or the one before, is taken; but
    a step that is asked for is taken or refused.

    Args:
      run: its folder.
      trained: its config.
      choice: one of CHECKPOINTS.
      mesh: the devices.
      step: of one checkpoint, in place of a choice.

    Raises:
      UserError: where there is no checkpoint, or not the one that is asked for.
      RunFailedError: where none is intact.
    """
    if not run.checkpoints.is_dir():
        raise UserError(f"{run.checkpoints}: no such folder; the run has no checkpoints")
    checkpoints = open_checkpoints(run, trained, read_only=True)
    try:
        if step is None:
            choice, step = _choose(run, checkpoints, choice)
        elif checkpoints.has_step(step):
            choice = "step"
        else:
            raise UserError(f"{run.checkpoints}: no intact checkpoint of step {step} in it")
        like = abstract_state(trained, get_detector(trained.model), mesh)
        restored: Restored = checkpoints.restore(step, like)
    finally:
        checkpoints.close()
    scored = plain(trained.model.tune, restored.state.variables)
    variables: Variables = jax.tree.map(np.asarray, scored)
    return RunWeights(variables=variables, choice=choice, step=step)


def _choose(run: RunFolder, checkpoints: Checkpoints, choice: str) -> tuple[str, int]:
    """Returns the choice that was made in the end, and its step."""
    ranked = checkpoints.best_step(choice) if choice in RANKS else None
    step = checkpoints.latest_step() if ranked is None else ranked
    if step is None:
        raise UserError(f"{run.checkpoints}: no complete checkpoint in it")
    if ranked is None and choice in RANKS:
        say(f"{run.checkpoints}: no intact step is ranked by {choice}; the newest is {step}")
        return "latest", step
    return choice, step


def open_checkpoints(
    run: RunFolder, config: schema.Config, *, read_only: bool = False
) -> Checkpoints:
    """Returns the checkpoints of a run folder, kept as its config says."""
    return Checkpoints(
        run.checkpoints,
        keep_latest=config.checkpoint.keep_latest,
        ranks=RANKS,
        read_only=read_only,
        wait_for_space=config.checkpoint.on_full_disk == "wait",
        config_hash=schema.config_hash(config),
        commit="" if read_only else environment.commit(),
    )
