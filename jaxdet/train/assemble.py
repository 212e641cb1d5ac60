"""The parts of a run, put together from its config before the first step."""

import dataclasses

import jax
from jax.sharding import Mesh

from jaxdet import config as schema
from jaxdet.data.feature_loaders import FeatureTrainLoader
from jaxdet.data.features import FeatureStore
from jaxdet.data.images import ImageSet
from jaxdet.data.loaders import (
    EvalLoader,
    Share,
    TrainLoader,
    evaluation_reader,
    training_reader,
)
from jaxdet.data.order import steps_per_epoch
from jaxdet.models.detector import Detector
from jaxdet.results import RunFolder
from jaxdet.runtime.checkpoint import Checkpoints
from jaxdet.runtime.stopping import StopPoint
from jaxdet.runtime.trackers import Trackers
from jaxdet.scoring.scorer import ScoreStep, make_score_step
from jaxdet.train import schedule
from jaxdet.train.position import Position
from jaxdet.train.start import training_detector
from jaxdet.train.state import TrainState, abstract_state, make_optimizer
from jaxdet.train.step import TrainStep, make_train_step
from jaxdet.train.weights import open_checkpoints


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
      val_set: the validation images; there may be none.
      val_features: what a frozen tower saw of them; None where they are scored by their pixels.
      steps_per_epoch: updates in a pass over the training images.
      checkpoints: of the run.
      trackers: take the lines of metrics, too.
      stop: where a signal ends the run.
    """

    config: schema.Config
    run: RunFolder
    mesh: Mesh
    detector: Detector
    abstract_state: TrainState
    train_step: TrainStep
    score_step: ScoreStep
    loader: TrainLoader | FeatureTrainLoader
    val_set: ImageSet
    steps_per_epoch: int
    checkpoints: Checkpoints
    trackers: Trackers
    stop: StopPoint
    val_features: FeatureStore | None = None

    @property
    def train_set(self) -> ImageSet:
        """Returns the training images."""
        return self.loader.read.images

    @property
    def input_identity(self) -> dict[str, str]:
        """Returns which images the steps of the run count through."""
        return {"train": self.train_set.fingerprint, "val": self.val_set.fingerprint}

    def eval_loader(self, images: ImageSet) -> EvalLoader:
        """Returns a loader that gives each image of a set once, cropped and else as it is."""
        return EvalLoader(
            read=evaluation_reader(self.config.data, images),
            crop=self.config.augment.crop,
            batch_size=self.config.eval_batch_size,
            resize=self.config.augment.resize,
            share=self.loader.share,
        )

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


def train_step(config: schema.Config, detector: Detector, mesh: Mesh) -> TrainStep:
    """Returns the step of a run's config, for its detector or for the head of it."""
    return make_train_step(
        detector,
        make_optimizer(config.optim),
        mesh,
        seed=config.seed,
        accumulate=config.optim.accumulate,
        skip_nonfinite=config.optim.on_nonfinite == "skip",
        loss=config.optim.loss,
        contrastive=config.optim.contrastive,
        supcon=config.optim.supcon,
        tune=config.model.tune,
        ema=config.optim.ema,
    )


def assemble(
    config: schema.Config,
    train_set: ImageSet,
    val_set: ImageSet,
    *,
    run: RunFolder,
    mesh: Mesh,
    read_only: bool = False,
) -> Parts:
    """Returns the parts of the run that a config describes.

    The checkpoints in the run folder are opened; with `read_only` nothing changes there.
    """
    detector = training_detector(config)
    return Parts(
        config=config,
        run=run,
        mesh=mesh,
        detector=detector,
        abstract_state=abstract_state(config, detector, mesh),
        train_step=train_step(config, detector, mesh),
        score_step=make_score_step(detector, mesh),
        loader=TrainLoader(
            read=training_reader(config.data, config.augment, train_set),
            pairs=config.data.pairs,
            balance=config.data.balance,
            augment=config.augment,
            seed=config.seed,
            batch_size=config.optim.batch_size,
            share=Share(host=jax.process_index(), hosts=jax.process_count()),
        ),
        val_set=val_set,
        steps_per_epoch=steps_per_epoch(len(train_set), batch_size=config.optim.batch_size),
        trackers=Trackers(config, run),
        stop=StopPoint(mesh),
        checkpoints=open_checkpoints(run, config, read_only=read_only),
    )
