"""Finds how far the rows of a table are, and how long one takes."""

from pathlib import Path

from jaxdet import config as schema
from jaxdet.errors import UserError
from jaxdet.experiments.table import Row
from jaxdet.results import RunFolder, read_metrics, read_results
from jaxdet.train import schedule

FINISHED = "finished"


def state_of(row: Row, workdir: Path) -> str:
    """Returns FINISHED, "begun at step N", "begun", "not begun", or what is wrong with a folder."""
    folder = RunFolder(workdir / row.name)
    try:
        if not folder.config.exists():
            return "not begun"
        return _state(row, folder)
    except (UserError, OSError):
        return "cannot be read"


def _state(row: Row, folder: RunFolder) -> str:
    if schema.differences(schema.read_config(folder.config), row.config):
        return "of another config"
    if folder.results.exists() and read_results(folder.results).status == "finished":
        return FINISHED
    steps = [line["step"] for line in read_metrics(folder.metrics)]
    return f"begun at step {max(steps)}" if steps else "begun"


def least_epochs(row: Row) -> int:
    """Returns the epochs of a run whose accuracy is best in the first one: no run has fewer."""
    config = row.config
    state, epochs = schedule.first_state(config), 0
    while not schedule.is_over(config, state, epochs_done=epochs):
        state, epochs = schedule.next_state(config, state, 0.5), epochs + 1
    return epochs


def least_hours(row: Row, images_per_second: float) -> float | None:
    """Returns the hours of the least epochs' training at a speed; None if images are unknown."""
    if row.images is None:
        return None
    return row.images * least_epochs(row) / images_per_second / 3600
