"""Assembles the parts of a run from its config before the first step."""

import dataclasses
import functools

import jax
from jax.sharding import Mesh

from jaxdet import config as schema
from jaxdet.data.images import ImageSet
from jaxdet.data.loaders import EvalLoader, Shard, TrainLoader
from jaxdet.data.order import steps_per_epoch
from jaxdet.data.readers import evaluation_reader, training_reader
from jaxdet.models.detector import Detector
from jaxdet.results.folder import RunFolder
from jaxdet.runtime.stopping import StopPoint
from jaxdet.runtime.trackers import Trackers
from jaxdet.scoring.launch import make_score_step
from jaxdet.train.parts import Parts
from jaxdet.train.restore import open_checkpoints
from jaxdet.train.start import training_detector
from jaxdet.train.state import TrainStep, abstract_state, make_optimizer
from jaxdet.train.step import make_train_step


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


def eval_loader(config: schema.Config, images: ImageSet) -> EvalLoader:
    """Returns a loader that gives each image of a set once, cropped and else as it is."""
    return EvalLoader(
        read=evaluation_reader(config.data, images),
        crop=config.augment.crop,
        batch_size=config.eval_batch_size,
        resize=config.augment.resize,
        kernel=config.augment.resize_kernel,
        shard=_own_shard(),
    )


def _validation_loader(config: schema.Config, images: ImageSet, epoch: int) -> EvalLoader:
    """Returns the loader of the validation images after an epoch, with what its coins bring."""
    return dataclasses.replace(
        eval_loader(config, images),
        augment=None if config.validation.augment == "clean" else config.augment,
        as_published=config.validation.augment == "published",
        seed=config.seed,
        epoch=epoch,
    )


def _own_shard() -> Shard:
    return Shard(host=jax.process_index(), hosts=jax.process_count())


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
            shard=_own_shard(),
        ),
        train_set=train_set,
        val_set=val_set,
        val_loader=functools.partial(_validation_loader, config, val_set),
        steps_per_epoch=steps_per_epoch(len(train_set), batch_size=config.optim.batch_size),
        trackers=Trackers(config, run),
        stop=StopPoint(mesh),
        checkpoints=open_checkpoints(run, config, read_only=read_only),
    )
