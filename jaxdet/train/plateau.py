"""Applies the published learning-rate rule and chooses the best epoch, on the host in float64.

CNNDetection (train.py:87-96, earlystop.py:25-44, networks/trainer.py:40-45): an epoch that
gains less than delta over the best counts as bad; `patience` bad epochs end a phase; the
learning rate is divided by 10 and the count of the best starts again; the run ends when the
rate would fall below its minimum. (Frank and Holz keep the best over all phases, `keep_best`:
training.py:171-196.) From 1e-4 to 1e-6 that makes three phases: 1e-5 / 10 is
1.0000000000000002e-06 in float64, which is not below 1e-6. In float32 it would be, and the
third phase lost; that is why this is no part of the compiled step.
"""

import dataclasses

from jaxdet.config.training import Plateau


@dataclasses.dataclass(frozen=True)
class PlateauState:
    """Holds the rule's state as plain numbers that go through JSON unchanged.

    Attributes:
      learning_rate: of the next epoch.
      phase: 0 before the first drop.
      best: best score of the phase, None before its first epoch.
      bad_epochs: epochs of the phase since `best` that gained too little.
      saved: whether the epoch just told was the best of its phase by the rule.
      stopped: whether the run is over.
    """

    learning_rate: float
    phase: int = 0
    best: float | None = None
    bad_epochs: int = 0
    saved: bool = False
    stopped: bool = False


def after_epoch(state: PlateauState, score: float, rule: Plateau) -> PlateauState:
    """Returns the state once an epoch's validation score is known; the larger the better."""
    delta = rule.first_delta if state.phase == 0 else rule.later_delta
    if state.best is None or not score < state.best + delta:
        return dataclasses.replace(state, best=score, bad_epochs=0, saved=True)
    bad_epochs = state.bad_epochs + 1
    if bad_epochs < rule.patience:
        return dataclasses.replace(state, bad_epochs=bad_epochs, saved=False)
    return _next_phase(state, rule)


def _next_phase(state: PlateauState, rule: Plateau) -> PlateauState:
    lower = state.learning_rate / rule.factor
    if lower < rule.min_learning_rate:
        return dataclasses.replace(state, saved=False, stopped=True)
    best = state.best if rule.keep_best else None
    return PlateauState(learning_rate=lower, phase=state.phase + 1, best=best)
