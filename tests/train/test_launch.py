from types import SimpleNamespace

import jax
import numpy as np
import pytest

from jaxdet.runtime.mesh import make_mesh
from jaxdet.train.loop import launch, place
from jaxdet.train.position import Position

POSITION = Position(state=None, step=6, epoch=0, plateau=None)
BATCH = {"image": np.ones((4, 2, 2, 3), np.uint8), "label": np.array([0, 1, 1, 0], np.int32)}


def parts(train_step):
    """The parts of a run whose step is the given function of an array and the rate."""
    return SimpleNamespace(
        mesh=make_mesh(2),
        learning_rate=lambda position: 0.5,
        train_step=lambda state, image, label, rate: (state, {"loss": train_step(label, rate)}),
    )


def launched(train_step):
    given = parts(train_step)
    return launch(given, POSITION, *next(place(given.mesh, iter([BATCH]), steps=range(7, 8))))[1]


def test_a_step_gets_all_that_it_takes_on_every_device():
    update = launched(jax.jit(lambda label, rate: label.sum() * rate))
    assert (update.step, update.rate, update.fetched().loss) == (7, 0.5, 1.0)
    assert update.scalars["loss"].sharding.num_devices == 2


def test_a_copy_from_the_host_within_a_step_is_an_error():
    table = np.ones(4, np.float32)
    multiply = jax.jit(lambda label, rate, table: (label * table).sum() * rate)
    with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
        launched(lambda label, rate: multiply(label, rate, table))
