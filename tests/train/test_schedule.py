import pytest

from jaxdet.config import Config, Optim, Plateau, validate
from jaxdet.config.training import SCHEDULES
from jaxdet.errors import UserError
from jaxdet.train import schedule
from jaxdet.train.plateau import PlateauState, after_epoch
from tests.golden import torchvision

CASES = torchvision.load("schedule.json")


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_learning_rates_saves_and_end_are_the_published_code_s(case):
    rule = Plateau(patience=case["patience"], min_learning_rate=case["min_lr"])
    state = PlateauState(learning_rate=case["lr0"])
    rates, saved = [], []
    for epoch, score in enumerate(case["accuracy"]):
        rates.append(state.learning_rate)
        state = after_epoch(state, score, rule)
        saved += [epoch] if state.saved else []
        if state.stopped:
            break
    assert rates == case["lr"]
    assert saved == case["saved_at"]
    assert state.stopped
    assert epoch == case["stopped_after"]


def test_a_run_that_never_improves_has_three_phases_of_six_epochs():
    config = Config()
    state, rates = schedule.first_state(config), []
    while not state.stopped:
        rates.append(state.learning_rate)
        state = schedule.next_state(config, state, 0.5)
    assert rates == [1e-4] * 6 + [1e-5] * 6 + [1e-5 / 10] * 6


def test_a_best_that_is_kept_must_be_beaten_in_later_phases_too():
    # Frank and Holz: any gain counts, five epochs without one end a phase.
    rule = Plateau(first_delta=1e-9, later_delta=1e-9, keep_best=True)
    state, saved, rates = PlateauState(learning_rate=1e-4), [], []
    for epoch, score in enumerate([0.7, 0.8] + [0.8] * 5 + [0.79] * 3 + [0.81] + [0.5] * 99):
        rates.append(state.learning_rate)
        state = after_epoch(state, score, rule)
        saved += [epoch] if state.saved else []
        if state.stopped:
            break
    assert saved == [0, 1, 10]
    assert rates == [1e-4] * 7 + [1e-5] * 9 + [1e-5 / 10] * 5


def test_cosine_falls_from_the_rate_to_zero():
    config = Config(optim=Optim(schedule="cosine", max_epochs=4, learning_rate=0.2))
    state = schedule.first_state(config)

    def rate(step):
        return schedule.learning_rate(config, state, step=step, steps_per_epoch=5)

    assert rate(0) == 0.2
    assert rate(10) == pytest.approx(0.1)
    assert rate(20) == pytest.approx(0.0, abs=1e-17)
    assert not schedule.is_over(config, state, epochs_done=3)
    assert schedule.is_over(config, state, epochs_done=4)


def test_max_epochs_ends_a_plateau_run_early():
    config = Config(optim=Optim(max_epochs=2))
    assert schedule.is_over(config, schedule.first_state(config), epochs_done=2)
    assert not schedule.is_over(Config(), schedule.first_state(Config()), epochs_done=2000)


def test_the_rate_rises_in_equal_steps_before_it_falls():
    optim = Optim(schedule="cosine", max_epochs=4, learning_rate=0.2, warmup=0.2)
    state = schedule.first_state(Config(optim=optim))

    def rates(optim, *steps):
        config = Config(optim=optim)
        return [schedule.learning_rate(config, state, step=s, steps_per_epoch=5) for s in steps]

    assert rates(optim, 0, 1, 3, 4) == pytest.approx([0.05, 0.1, 0.2, 0.2])
    assert rates(optim, 12, 20) == pytest.approx([0.1, 0.0], abs=1e-12)
    constant = Optim(schedule="constant", max_epochs=4, learning_rate=0.2, warmup=0.2)
    assert rates(constant, 0, 3, 4, 19) == pytest.approx([0.05, 0.2, 0.2, 0.2])


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_takes_a_warm_up_where_its_table_says_so(name):
    config = Config(optim=Optim(schedule=name, max_epochs=4, warmup=0.5))
    if SCHEDULES[name]:
        validate(config)
    else:
        with pytest.raises(UserError, match=r"optim.warmup=0.5 needs optim.schedule=cosine or "):
            validate(config)
