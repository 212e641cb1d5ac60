"""`token_probe` learns only once it has seen `2 * model.bank` images."""

import types

import jax
import numpy as np
import pytest

from jaxdet.config import Config, Model, Optim, Plateau
from jaxdet.errors import UserError
from jaxdet.models.detector import get_detector
from jaxdet.runtime.mesh import make_mesh, put_batch
from jaxdet.train import schedule
from jaxdet.train.position import Position
from jaxdet.train.state import make_optimizer, new_state
from jaxdet.train.step import make_train_step
from jaxdet.train.validate import decide, ranks
from jaxdet.train.waiting import count_waiting

TOWER = "clip_b16:size=28,patch=14,width=8,depth=1,heads=2,mlp=12,projection=6"
BATCH = {
    "image": np.random.default_rng(0).integers(0, 256, (4, 28, 28, 3), dtype=np.uint8),
    "label": np.arange(4, dtype=np.int32) % 2,
}
SCORES = {"val/accuracy": 0.5, "val/loss": 1.0}


def test_what_is_refused_is_what_would_not_learn():
    model = Model(name="token_probe", tower=TOWER, tune="head", bank=6, tokens=2)
    config = Config(
        model=model,
        optim=Optim(batch_size=4, name="sgd", max_epochs=3),
        plateau=Plateau(patience=1, min_learning_rate=1.0),
    )
    variables, mesh = get_detector(model).random(0, size=28), make_mesh(1)
    state = new_state(config, variables, mesh)
    step = make_train_step(
        get_detector(model), make_optimizer(config.optim), mesh, seed=0, tune="head"
    )
    waits = count_waiting(model, config.optim, variables["batch_stats"], steps=0)
    assert waits == 4
    plateau, told = schedule.first_state(config), []
    for number in range(5):
        before = jax.device_get(state.variables["params"]["head"]["kernel"])
        state, _ = step(state, *put_batch(mesh, BATCH).values(), 0.1)
        moved = not np.array_equal(before, state.variables["params"]["head"]["kernel"])
        assert moved == (number == 4)
        position = Position(
            state=state, step=number + 1, epoch=number, plateau=plateau, waits=waits
        )
        assert position.has_learned == moved
        decided = decide(types.SimpleNamespace(config=config), position, SCORES)
        told.append((decided.plateau.saved, ranks(decided, SCORES) is not None))
    assert told == [(False, False)] * 4 + [(True, True)]

    start, optim = variables["batch_stats"], config.optim
    says = r"learns once it has seen 16 images, but .*=3 shows 16; set --config\.model\.bank=4 or"
    with pytest.raises(UserError, match=says):
        count_waiting(model, optim, start, steps=4)
    for steps in (0, 5):
        count_waiting(model, optim, start, steps=steps)
    count_waiting(Model(name="token_probe", bank=4), optim, start, steps=4)
    # What another run has seen counts.
    count_waiting(model, optim, state.variables["batch_stats"], steps=1)
    with pytest.raises(UserError, match="shows 8; set more epochs"):
        count_waiting(model, optim, start, steps=2)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_steps_that_only_collect_are_none_of_the_optimiser_s(name):
    model = Model(name="token_probe", tower=TOWER, tune="head", bank=4, tokens=2)
    config = Config(
        model=model, optim=Optim(batch_size=4, name=name, weight_decay=0.1, max_epochs=3)
    )
    variables, mesh = get_detector(model).random(0, size=28), make_mesh(1)
    state = new_state(config, variables, mesh)
    step = make_train_step(
        get_detector(model), make_optimizer(config.optim), mesh, seed=0, tune="head"
    )
    first = jax.device_get((state.optimizer, state.variables["params"]))
    for number in range(3):
        state, _ = step(state, *put_batch(mesh, BATCH).values(), 0.1)
        now = jax.device_get((state.optimizer, state.variables["params"]))
        same = jax.tree.map(np.array_equal, first, now)
        assert all(jax.tree.leaves(same)) == (number < 2)
    assert int(state.step) == 3
