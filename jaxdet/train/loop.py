"""A training run from top to bottom. Read this first.

The order of what follows an epoch is fixed: validate, decide, write the metrics, save. A
checkpoint holds everything decided before it, so a run that was killed at any moment goes
on from the newest one and repeats the lost part bit by bit. A run that a signal asks to end
saves after the step or the batch of validation that it is at, and loses none.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any, NoReturn

import jax
from jax.sharding import Mesh

from jaxdet import config as schema
from jaxdet import metrics
from jaxdet.data.images import ImageSet
from jaxdet.data.loaders import (
    Batch,
    EvalLoader,
    Share,
    TrainLoader,
    evaluation_reader,
    training_reader,
)
from jaxdet.data.order import steps_per_epoch
from jaxdet.data.pipeline import open_batches
from jaxdet.errors import Stopped, UserError
from jaxdet.progress import ProgressLine, say
from jaxdet.results import Predictions, RunFolder
from jaxdet.runtime.checkpoint import Checkpoints, Restored
from jaxdet.runtime.hosts import are_several, comparing
from jaxdet.runtime.logbook import Logbook
from jaxdet.runtime.mesh import put_batch
from jaxdet.runtime.stopping import StopPoint
from jaxdet.runtime.trackers import Trackers
from jaxdet.scoring.scorer import make_score_step
from jaxdet.scoring.sets import predict
from jaxdet.train import schedule
from jaxdet.train.measure import measure_inputs
from jaxdet.train.nonfinite import NonFinite
from jaxdet.train.plateau import PlateauState
from jaxdet.train.start import initial_variables, training_detector
from jaxdet.train.state import TrainState, abstract_state, make_optimizer, new_state
from jaxdet.train.step import TrainStep, make_train_step
from jaxdet.train.unvalidated import find_unvalidated, save_unvalidated
from jaxdet.train.weights import digest, open_checkpoints
from jaxdet.train.window import Recorder, Window
from jaxdet.workdir.watchdog import stage

# More batches than any run has: the plateau rule, not a count, ends a run.
_ENDLESS = 2**31 - 1


def train(
    config: schema.Config, train_set: ImageSet, val_set: ImageSet, *, run: RunFolder, mesh: Mesh
) -> None:
    """Trains to the end, from the newest checkpoint of the run folder where there is one.

    Raises:
      UserError: where the images are not those the run began with.
      RunFailedError: where the loss is not finite (unless `optim.on_nonfinite` leaves the update
        out), a checkpoint cannot be written, or none of those that are there is sound.
      Stopped: where a signal asked for the end; all work is saved.
    """
    trainer = Trainer(config, train_set, val_set, run=run, mesh=mesh)
    failed = True
    try:
        position = trainer.begin()
        with trainer.open_input(position) as batches:
            while not schedule.is_over(config, position.plateau, epochs_done=position.epoch):
                position = trainer.train_epoch(position, batches)
                position = trainer.finish_epoch(position)
        with stage("waiting for the last checkpoint to be written"):
            trainer.checkpoints.wait()
        failed = False
    finally:
        trainer.close(failed=failed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Position:
    """Describes where a run stands: the arrays, and what the host knows.

    Attributes:
      state: on the devices; `train_epoch` uses it up.
      step: updates done.
      epoch: passes done.
      plateau: the learning rate's history.
      bad: ids of training images that could not be read, in the order they were met.
      window: steps whose line of metrics is not written yet, of a run that a signal ended.
    """

    state: TrainState
    step: int
    epoch: int
    plateau: PlateauState
    bad: tuple[str, ...] = ()
    window: dict[str, Any] | None = None


class Trainer:
    """Holds the parts of one run, put together from its config."""

    def __init__(
        self,
        config: schema.Config,
        train_set: ImageSet,
        val_set: ImageSet,
        *,
        run: RunFolder,
        mesh: Mesh,
        read_only: bool = False,
    ):
        """Opens the checkpoints of the run folder, and changes nothing there if `read_only`."""
        self.config, self.run, self.mesh = config, run, mesh
        self.detector = training_detector(config)
        self.train_step: TrainStep = make_train_step(
            self.detector,
            make_optimizer(config.optim),
            mesh,
            seed=config.seed,
            accumulate=config.optim.accumulate,
            skip_nonfinite=config.optim.on_nonfinite == "skip",
            loss=config.optim.loss,
        )
        self.score_step = make_score_step(self.detector, mesh)
        self.loader = _train_loader(config, train_set)
        self.val_set = val_set
        self.steps = steps_per_epoch(len(train_set), batch_size=config.optim.batch_size)
        self.checkpoints: Checkpoints = open_checkpoints(run, config, read_only=read_only)
        self.trackers: Trackers | None = None
        self.stop = StopPoint(mesh)
        self.nonfinite = NonFinite(
            config,
            run=run,
            ids=train_set.ids,
            newest=self._saved_step,
            devices=mesh.size,
        )

    def close(self, *, failed: bool) -> None:
        """Closes the checkpoints, and only then what may wait for a network."""
        try:
            self.checkpoints.close()
        finally:
            if self.trackers is not None:
                self.trackers.close(failed=failed)

    def begin(self) -> Position:
        """Returns the newest checkpoint, or the first step.

        A validation that was begun is made up for.
        """
        like = abstract_state(self.config, self.detector, self.mesh)
        stopped = find_unvalidated(self.run, like, after=self.checkpoints.latest_step() or 0)
        position = self.newest() if stopped is None else self._position(stopped)
        self.trackers = Trackers(self.config, self.run, step=position.step)
        self.logbook = Logbook(
            self.run.metrics,
            keep_to_step=position.step,
            validated=stopped is None,
            wait_for_space=self.config.checkpoint.on_full_disk == "wait",
            trackers=self.trackers,
        )
        if stopped is not None:
            return self.finish_epoch(position)
        if not schedule.is_over(self.config, position.plateau, epochs_done=position.epoch):
            # Told now rather than after the hours before the first save.
            self.checkpoints.ensure_space(position.state)
        return position

    def _saved_step(self) -> int | None:
        """Returns the step of the newest checkpoint, once the one under way is written."""
        with stage("waiting for a checkpoint to be written"):
            self.checkpoints.wait()
        return self.checkpoints.latest_step()

    def newest(self) -> Position:
        """Returns the position at the newest checkpoint, or at the first step."""
        step = self.checkpoints.latest_step()
        if step is None:
            return self._first()
        like = abstract_state(self.config, self.detector, self.mesh)
        return self._position(self.checkpoints.restore(step, like))

    def _first(self) -> Position:
        with comparing("the weights to begin with") as facts:
            variables = initial_variables(self.config, self.detector, self.mesh)
            if are_several():
                facts["weights to begin with"] = digest(variables)
        if self.detector.architecture.measured and not self.config.model.init:
            variables = measure_inputs(
                self.detector, variables, _every_image(self.config, self.loader.read.images),
                mesh=self.mesh, runtime=self.config.runtime,
            )  # fmt: skip
        state = new_state(self.config, variables, self.mesh)
        return Position(state=state, step=0, epoch=0, plateau=schedule.first_state(self.config))

    def _position(self, restored: Restored) -> Position:
        """Returns where the run stood at a checkpoint."""
        step = restored.step
        if restored.host["input"] != self._input_identity():
            raise UserError(
                f"{self.run.path}: the images under {self.config.train_root} are not those this "
                "run began with; restore them, or start again with another --workdir"
            )
        # Checkpoints of before there was a count have none.
        self.nonfinite.skipped = restored.host.get("skipped", 0)
        say(f"going on from step {step}")
        return Position(
            state=restored.state,
            step=step,
            epoch=step // self.steps,
            plateau=PlateauState(**restored.host["plateau"]),
            bad=tuple(restored.host["bad"]),
            window=restored.host.get("window"),
        )

    def open_input(self, position: Position) -> Any:
        """Opens the training batches from the position on; see `open_batches`."""
        return open_batches(
            self.loader, start=position.step, stop=_ENDLESS, runtime=self.config.runtime
        )

    def train_epoch(self, position: Position, batches: Iterator[Batch]) -> Position:
        """Trains to the end of the epoch: the rest of it where the position is within."""
        end = (position.epoch + 1) * self.steps
        last = self.config.optim.max_epochs
        title = f"epoch {position.epoch + 1}" + (f" of {last}" if last else "")
        window = Window(self.nonfinite, position.window)
        position = dataclasses.replace(position, window=None)
        with ProgressLine(title, total=self.steps, done=self.steps - end + position.step) as line:
            while position.step < end:
                with stage(f"waiting for the images of step {position.step + 1}"):
                    batch = next(batches)
                position = self.one_step(position, batch, window)
                self.checkpoints.check()
                line.advance(note=window.note())
                if position.step % self.config.runtime.log_every == 0:
                    self._log(position, window)
                if self._is_checkpoint(position.step) and position.step < end:
                    # The window is written out first: a resumed run begins an empty one.
                    self._log(position, window)
                    self._save(position, ranks=None)
                if position.step < end and (signum := self.stop.reached()):
                    self._stop(signum, dataclasses.replace(position, window=window.keep()))
        self._log(position, window)
        return dataclasses.replace(position, epoch=position.epoch + 1)

    def one_step(self, position: Position, batch: Batch, window: Recorder) -> Position:
        """Makes one update and adds its numbers to the window."""
        rate = self._rate(position)
        with stage(f"launching step {position.step + 1}"):
            placed = put_batch(self.mesh, {"image": batch["image"], "label": batch["label"]})
            state, scalars = self.train_step(position.state, placed["image"], placed["label"], rate)
        window.add(position.step + 1, rate, batch, scalars)
        return dataclasses.replace(
            position, state=state, step=position.step + 1, bad=self._bad(position, batch)
        )

    def _bad(self, position: Position, batch: Batch) -> tuple[str, ...]:
        """Returns the unreadable images so far; logs each new one."""
        met = [self.loader.read.images.ids[i] for i in batch["bad"] if i >= 0]
        new = [i for i in dict.fromkeys(met) if i not in position.bad]
        for image in new:
            say(f"unreadable, another image takes its place: {image}")
        return position.bad + tuple(new)

    def _is_checkpoint(self, step: int) -> bool:
        every = self.config.checkpoint.every_steps
        return every > 0 and step % every == 0

    def _log(self, position: Position, window: Window) -> None:
        values = window.take()
        if values:
            bad = {"train/unreadable": len(position.bad)} if position.bad else {}
            self.logbook.write(position.step, position.step / self.steps, {**values, **bad})

    def finish_epoch(self, position: Position) -> Position:
        """Validates, decides on the learning rate, writes the metrics and saves.

        Without validation images it saves alone.
        """
        if not len(self.val_set):
            self._save(position, ranks=None)
            say(f"epoch {position.epoch} without validation; {self._next_rate(position)}")
            return position
        try:
            scores = self._validate(position)
        except Stopped as stop:
            self._stop(stop.signum, position, validated=False)
        plateau = schedule.next_state(self.config, position.plateau, scores["val/accuracy"])
        position = dataclasses.replace(position, plateau=plateau)
        self.logbook.write(position.step, position.epoch, scores)
        self._save(position, ranks=_ranks(position, scores))
        say(f"{_epoch_line(position, scores)}; {self._next_rate(position)}")
        return position

    def _next_rate(self, position: Position) -> str:
        return f"next learning rate {self._rate(position):.3g}"

    def _rate(self, position: Position) -> float:
        return schedule.learning_rate(
            self.config, position.plateau, step=position.step, steps_per_epoch=self.steps
        )

    def _validate(self, position: Position) -> dict[str, float]:
        loader = _val_loader(self.config, self.val_set, epoch=position.epoch)
        with stage(f"validation after epoch {position.epoch}"):
            predictions = predict(
                loader,
                self.score_step,
                position.state.variables,
                mesh=self.mesh,
                # Threads: processes would start anew for each epoch.
                runtime=dataclasses.replace(self.config.runtime, worker_kind="threads"),
            )
        return _val_scores(predictions)

    def _stop(self, signum: int, position: Position, *, validated: bool = True) -> NoReturn:
        """Saves what is done and ends the run, as a signal asked."""
        self.checkpoints.wait()
        if not validated:
            host = self._host(position)
            save_unvalidated(self.run, position.step, position.state, host=host)
        elif self.checkpoints.latest_step() != position.step:
            self._save(position, ranks=None)
        self.checkpoints.wait()
        raise Stopped(signum, f"saved at step {position.step}", together=True)

    def _save(self, position: Position, *, ranks: dict[str, list[float]] | None) -> None:
        host = self._host(position)
        with stage(f"saving checkpoint {position.step}"):
            self.checkpoints.save(position.step, position.state, host=host, ranks=ranks)

    def _host(self, position: Position) -> dict[str, Any]:
        """Returns what a checkpoint holds besides the arrays."""
        return {
            "plateau": dataclasses.asdict(position.plateau),
            "input": self._input_identity(),
            "bad": list(position.bad),
            "window": position.window,
            "skipped": self.nonfinite.skipped,
            "config": schema.to_json_dict(self.config),
        }

    def _input_identity(self) -> dict[str, str]:
        """Returns which images the position counts through."""
        return {"train": self.loader.read.images.fingerprint, "val": self.val_set.fingerprint}


def _train_loader(config: schema.Config, images: ImageSet) -> TrainLoader:
    return TrainLoader(
        read=training_reader(config.data, config.augment, images),
        augment=config.augment,
        seed=config.seed,
        batch_size=config.optim.batch_size,
        share=Share(host=jax.process_index(), hosts=jax.process_count()),
    )


def _val_loader(config: schema.Config, images: ImageSet, *, epoch: int) -> EvalLoader:
    return EvalLoader(
        read=evaluation_reader(config.data, images),
        crop=config.augment.crop,
        batch_size=config.eval_batch_size,
        resize=config.augment.resize,
        augment=None if config.validation.augment == "clean" else config.augment,
        as_published=config.validation.augment == "published",
        seed=config.seed,
        epoch=epoch,
        share=Share(host=jax.process_index(), hosts=jax.process_count()),
    )


def _every_image(config: schema.Config, images: ImageSet) -> EvalLoader:
    return EvalLoader(
        read=evaluation_reader(config.data, images),
        crop=config.augment.crop,
        batch_size=config.eval_batch_size,
        resize=config.augment.resize,
        share=Share(host=jax.process_index(), hosts=jax.process_count()),
    )


def _val_scores(predictions: Predictions) -> dict[str, float]:
    label, logit = predictions.label, predictions.logit
    auc = metrics.auc(label, logit)
    scores = {
        "val/loss": metrics.log_loss(label, logit),
        "val/accuracy": metrics.accuracy(label, logit),
        "val/ap": metrics.average_precision(label, logit),
    }
    return scores if auc is None else {**scores, "val/auc": auc}


def _ranks(position: Position, scores: dict[str, float]) -> dict[str, list[float]]:
    """Returns the ranks by which checkpoints are chosen.

    The best of all is that by accuracy, then by loss; the best of the last phase is the rule's
    latest choice.
    """
    chosen = float(position.epoch) if position.plateau.saved else -1.0
    return {
        "best": [scores["val/accuracy"], -scores["val/loss"]],
        "best_of_last_phase": [chosen],
    }


def _epoch_line(position: Position, scores: dict[str, float]) -> str:
    return (
        f"epoch {position.epoch}: val accuracy {scores['val/accuracy']:.4f}, "
        f"AP {scores['val/ap']:.4f}, loss {scores['val/loss']:.4f}"
    )
