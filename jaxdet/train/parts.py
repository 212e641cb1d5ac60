"""Holds the parts of a run: what does not change in it."""

import dataclasses
from collections.abc import Callable

from jax.sharding import Mesh

from jaxdet.config.schema import Config
from jaxdet.data.images import ImageSet
from jaxdet.data.pipeline import Loader
from jaxdet.models.detector import Detector
from jaxdet.results.folder import RunFolder
from jaxdet.runtime.checkpoint import Checkpoints
from jaxdet.runtime.stopping import StopPoint
from jaxdet.runtime.trackers import Trackers
from jaxdet.scoring.launch import ScoreStep
from jaxdet.scoring.sets import SetLoader
from jaxdet.train import schedule
from jaxdet.train.position import Position
from jaxdet.train.state import TrainState, TrainStep


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parts:
    """Holds what a run works with and what does not change in it; see `Position` for what does.

    Attributes:
      config: of the run.
      run: its folder.
      mesh: the devices.
      detector: in the form that is trained.
      abstract_state: the shapes, dtypes and shardings of the state.
      train_step: makes one update.
      score_step: scores a batch of validation images.
      loader: makes the training batch of each step.
      train_set: the training images.
      val_set: the validation images; there may be none.
      val_loader: an epoch to the loader of the validation images after it.
      steps_per_epoch: updates in a pass over the training images.
      checkpoints: of the run.
      trackers: take the lines of metrics, too.
      stop: where a signal ends the run.
    """

    config: Config
    run: RunFolder
    mesh: Mesh
    detector: Detector
    abstract_state: TrainState
    train_step: TrainStep
    score_step: ScoreStep
    loader: Loader
    train_set: ImageSet
    val_set: ImageSet
    val_loader: Callable[[int], SetLoader]
    steps_per_epoch: int
    checkpoints: Checkpoints
    trackers: Trackers
    stop: StopPoint

    @property
    def input_identity(self) -> dict[str, str]:
        """Returns which images the steps of the run count through."""
        return {"train": self.train_set.fingerprint, "val": self.val_set.fingerprint}

    def learning_rate(self, position: Position) -> float:
        """Returns the learning rate of the next update."""
        return schedule.learning_rate(
            self.config, position.plateau, step=position.step, steps_per_epoch=self.steps_per_epoch
        )

    def epoch_end(self, position: Position) -> int:
        """Returns the step after which the epoch is validated."""
        return (position.epoch + 1) * self.steps_per_epoch

    def is_over(self, position: Position) -> bool:
        """Returns whether no further epoch is to be trained."""
        return schedule.is_over(self.config, position.plateau, epochs_done=position.epoch)
