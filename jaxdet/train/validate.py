"""Does what follows the last step of an epoch: validates, and decides by that."""

import dataclasses

from jaxdet.errors import Stopped
from jaxdet.metrics.calibration import log_loss
from jaxdet.metrics.ranking import auc, average_precision
from jaxdet.metrics.thresholds import accuracy
from jaxdet.runtime.manifest import Ranks
from jaxdet.scoring.sets import predict
from jaxdet.train import schedule
from jaxdet.train.parts import Parts
from jaxdet.train.position import Position
from jaxdet.train.saving import leave
from jaxdet.train.tuning import plain
from jaxdet.workdir.watchdog import stage

# By name in `metrics.jsonl`; empty for a run without validation images.
Scores = dict[str, float]


def validate(parts: Parts, position: Position) -> Scores:
    """Returns the scores of the validation images after the last step of an epoch.

    Raises:
      Stopped: where a signal asked for the end; the run goes on with this validation.
    """
    if not len(parts.val_set):
        return {}
    epoch = position.epoch + 1
    try:
        with stage(f"validation after epoch {epoch}"):
            predictions = predict(
                parts.val_loader(epoch),
                parts.score_step,
                plain(parts.config.model.tune, position.state.variables),
                mesh=parts.mesh,
                # Threads: processes would start anew for each epoch.
                runtime=dataclasses.replace(parts.config.runtime, worker_kind="threads"),
            )
    except Stopped as stop:
        leave(parts, position, stop.signum, validated=False)
    label, logit = predictions.label, predictions.logit
    area = auc(label, logit)
    return {
        "val/loss": log_loss(label, logit),
        "val/accuracy": accuracy(label, logit),
        "val/ap": average_precision(label, logit),
        **({} if area is None else {"val/auc": area}),
    }


def decide(parts: Parts, position: Position, scores: Scores) -> Position:
    """Returns the position after the epoch, with the learning rate or the end decided by scores.

    Epochs before the detector learns decide nothing.
    """
    plateau = position.plateau
    if scores and position.has_learned:
        plateau = schedule.next_state(parts.config, plateau, scores["val/accuracy"])
    return dataclasses.replace(position, epoch=position.epoch + 1, plateau=plateau)


def ranks(position: Position, scores: Scores) -> Ranks | None:
    """Returns the ranks by which checkpoints are chosen; None without scores.

    None, too, before the detector has learned anything. The best of all is that by accuracy, then
    by loss; the best of the last phase is the rule's latest choice.
    """
    if not scores or not position.has_learned:
        return None
    chosen = float(position.epoch) if position.plateau.saved else -1.0
    return {
        "best": [scores["val/accuracy"], -scores["val/loss"]],
        "best_of_last_phase": [chosen],
    }


def describe_epoch(parts: Parts, position: Position, scores: Scores) -> str:
    """Returns the line that ends an epoch."""
    what = "epoch {} without validation"
    if scores:
        what = "epoch {}: val accuracy {val/accuracy:.4f}, AP {val/ap:.4f}, loss {val/loss:.4f}"
    rate = parts.learning_rate(position)
    return f"{what.format(position.epoch, **scores)}; next learning rate {rate:.3g}"
