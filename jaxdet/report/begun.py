"""Describes runs without results: how far they are, what is missing and why, and what there is."""

import dataclasses
from collections.abc import Iterator

from jaxdet import metrics
from jaxdet.report.load import Begun
from jaxdet.report.rows import percent
from jaxdet.results import Predictions, read_arrays, step_number
from jaxdet.streams import printable

VALIDATION_HEAD = ("epoch", "step", "accuracy", "AP", "AUC", "loss", "checkpoint")
SCORED_HEAD = ("set", "AP", "accuracy", "n real", "n fake")
NOTHING = "nothing to show yet: it has written no line to metrics.jsonl and has scored no set"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unscored:
    """Describes a run without results.

    Attributes:
      run: as it was read.
      state: how far it is, what is missing and why, in sentences.
      scored: of each set whose images are all scored, the cells of a line; see `SCORED_HEAD`.
    """

    run: Begun
    state: str
    scored: list[list[str]]

    @property
    def has_something(self) -> bool:
        """Returns whether there is more to show than a config."""
        return bool(self.run.curves or self.scored)


def look_at(run: Begun) -> Unscored:
    """Reports how far a run without results is, and scores the predictions that it has.

    Raises:
      UserError: where predictions are damaged.
    """
    scored = [_scored_line(name, rows) for name, rows in all_predictions(run)]
    if run.folder.config.exists():
        state = f"{_state(run, len(scored))} {_next(run)}"
    else:
        state = (
            f"config.json is missing from {run.folder.path}, so the run cannot go on, and what it "
            "was to do is unknown. Put back the config that it began with."
        )
    return Unscored(run=run, state=state, scored=scored)


def validations(run: Begun) -> list[list[str]]:
    """Returns a line of cells for each validation so far; see `VALIDATION_HEAD`."""
    values = {name: dict(points) for name, points in run.curves.items()}
    kept = checkpoints(run)
    return [
        [
            f"{values['epoch'].get(step, 0):g}",
            f"{step:,}",
            *(
                percent(values.get(f"val/{name}", {}).get(step))
                for name in ("accuracy", "ap", "auc")
            ),
            _loss(values.get("val/loss", {}).get(step)),
            "kept" if step in kept else "",
        ]
        for step, _ in run.curves.get("val/accuracy", [])
    ]


def checkpoints(run: Begun) -> list[int]:
    """Returns the steps of the checkpoints that lie in the run's folder, ascending."""
    folders = (run.folder.checkpoints, run.folder.unvalidated)
    steps = {
        step_number(path.name)
        for folder in folders
        if folder.is_dir()
        for path in folder.iterdir()
        if path.is_dir()
    }
    return sorted(step for step in steps if step is not None)


def _state(run: Begun, n_scored: int) -> str:
    """Lists what is missing, and why."""
    task = run.options.get("task", "train_eval")
    if task == "train":
        return f"This run only trains (task=train) and scores no test set. {_progress(run)}"
    sets = f"{n_scored} set{'' if n_scored == 1 else 's'} scored so far"
    if task == "eval":
        return (
            f"Not finished: the evaluation is not at its end ({sets}), so results.json is missing."
        )
    if n_scored or run.folder.validation.exists():
        return (
            "Not finished: the training is at its end, the evaluation is not "
            f"({sets}), so results.json is missing."
        )
    return (
        "Not finished: test sets are scored after the last epoch, so there are no results yet. "
        f"{_progress(run)}"
    )


def _progress(run: Begun) -> str:
    points = run.curves.get("epoch")
    if not points:
        return "No line of metrics is written yet."
    step, epoch = points[-1]
    most = run.options.get("optim.max_epochs")
    return f"The last line of metrics is of step {step:,}, epoch {epoch:.3g}" + (
        f" of at most {most}." if most else "."
    )


def _next(run: Begun) -> str:
    """Advises what to do where nothing works on the run any more."""
    if run.options.get("task") == "train":
        return f"To score test sets, start a run with task=eval and model.init={run.folder.path}."
    steps = checkpoints(run)
    place = f"the newest checkpoint, step {steps[-1]:,}" if steps else "what is there"
    return f"If it was stopped, start the same command again: it goes on from {place}."


def all_predictions(run: Begun) -> Iterator[tuple[str, Predictions]]:
    """Yields the name and the scores of each set whose images are all scored.

    Raises:
      UserError: where predictions are damaged.
    """
    folder = run.folder.predictions("").parent
    # Hidden files are scores of a set that is not scored to its end.
    for path in sorted(folder.glob("[!.]*.npz")):
        yield path.stem, read_arrays(run.folder.predictions(path.stem), Predictions)


def _scored_line(name: str, rows: Predictions) -> list[str]:
    real, fake = (int((rows.label == label).sum()) for label in (0, 1))
    shares = (metrics.average_precision, metrics.accuracy)
    # Of a set in which no image could be read there are no rows, and one label has no AP.
    defined = (real and fake, real or fake)
    values = [
        percent(of(rows.label, rows.logit) if there else None)
        for of, there in zip(shares, defined, strict=True)
    ]
    return [printable(name), *values, str(real), str(fake)]


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
