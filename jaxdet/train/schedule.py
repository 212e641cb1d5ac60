"""Computes the learning rate of each step and the end of the run, in Python floats on the host."""

import dataclasses
import math

from jaxdet.config.schema import Config
from jaxdet.train.plateau import PlateauState, after_epoch


def first_state(config: Config) -> PlateauState:
    """Returns the state before the first epoch."""
    return PlateauState(learning_rate=config.optim.learning_rate)


def learning_rate(config: Config, state: PlateauState, *, step: int, steps_per_epoch: int) -> float:
    """Returns the learning rate of the update that follows `step` updates."""
    total = config.optim.max_epochs * steps_per_epoch
    rising = round(config.optim.warmup * total)
    if step < rising:
        return config.optim.learning_rate * (step + 1) / rising
    if config.optim.schedule == "cosine":
        share = (step - rising) / max(1, total - rising)
        return config.optim.learning_rate * (1 + math.cos(math.pi * share)) / 2
    if config.optim.schedule == "steps":
        falls = step // (config.optim.decay_every * steps_per_epoch)
        return config.optim.learning_rate * config.optim.decay_factor**falls
    return state.learning_rate


def next_state(config: Config, state: PlateauState, score: float) -> PlateauState:
    """Returns the state once an epoch's validation score is known.

    Other schedules than plateau are one phase.
    """
    rule = config.plateau
    if config.optim.schedule != "plateau":
        rule = dataclasses.replace(rule, patience=config.optim.max_epochs + 1)
    return after_epoch(state, score, rule)


def is_over(config: Config, state: PlateauState, *, epochs_done: int) -> bool:
    """Returns whether no further epoch is to be trained."""
    last = config.optim.max_epochs
    return state.stopped or (last > 0 and epochs_done >= last)
