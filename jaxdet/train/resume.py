"""Finds where a run begins: at a checkpoint, a validation that was stopped, or step 0."""

from jaxdet.errors import UserError
from jaxdet.models.banks import without_repeats
from jaxdet.progress import say
from jaxdet.runtime.checkpoint import Restored
from jaxdet.runtime.hosts import are_several, comparing
from jaxdet.train import schedule
from jaxdet.train.assemble import eval_loader
from jaxdet.train.measure import measure_inputs
from jaxdet.train.parts import Parts
from jaxdet.train.position import Position, restored_position
from jaxdet.train.saving import find_unvalidated
from jaxdet.train.start import initial_variables
from jaxdet.train.state import new_state
from jaxdet.train.waiting import count_waiting
from jaxdet.train.weights import digest


def restore(parts: Parts) -> Position | None:
    """Returns the position to go on from; None where the run has saved nothing.

    Where a signal ended the validation of an epoch, it stands behind the epoch's last step.

    Raises:
      UserError: where the images are not those the run began with.
      RunFailedError: where checkpoints are there and none of them is intact.
    """
    unvalidated = find_unvalidated(parts)
    return newest(parts) if unvalidated is None else _position(parts, unvalidated, validated=False)


def newest(parts: Parts) -> Position | None:
    """Returns the position of the newest checkpoint; None where there is none.

    Raises:
      UserError, RunFailedError: as `restore`.
    """
    step = parts.checkpoints.latest_step()
    if step is None:
        return None
    return _position(parts, parts.checkpoints.restore(step, parts.abstract_state), validated=True)


def _position(parts: Parts, restored: Restored, *, validated: bool) -> Position:
    if restored.host["input"] != parts.input_identity:
        raise UserError(
            f"{parts.run.path}: the images under {parts.config.train_root} are not those this "
            "run began with; restore them, or start again with another --workdir"
        )
    say(f"going on from step {restored.step}")
    passes = restored.step // parts.steps_per_epoch
    return restored_position(restored, epoch=passes if validated else passes - 1)


def begin(parts: Parts) -> Position:
    """Returns the position before the first step.

    Raises:
      UserError: where `model.init` cannot be read or is of another architecture, or the training
        would be over before the detector learns.
    """
    config, detector = parts.config, parts.detector
    with comparing("the weights to begin with") as facts:
        variables = initial_variables(config, detector, parts.mesh)
        if are_several():
            facts["weights to begin with"] = digest(variables)
    if detector.architecture.measured and not config.model.init:
        loader = eval_loader(config, parts.train_set)
        variables = measure_inputs(
            detector, variables, loader, mesh=parts.mesh, runtime=config.runtime
        )
    if config.model.name == "knn":
        variables = without_repeats(variables, images=len(parts.train_set))
    steps = config.optim.max_epochs * parts.steps_per_epoch
    waits = count_waiting(config.model, config.optim, variables["batch_stats"], steps=steps)
    state, plateau = new_state(config, variables, parts.mesh), schedule.first_state(config)
    return Position(state=state, step=0, epoch=0, plateau=plateau, waits=waits)
