import json

import jax.numpy as jnp
import numpy as np

from jaxdet.train.window import Window


def scalars(seed):
    rng = np.random.default_rng(seed)
    return {
        "loss": jnp.float32(rng.random()),
        "grad_norm": jnp.float32(rng.random()),
        "logit": jnp.asarray(rng.normal(size=4), jnp.float32),
        "label": jnp.asarray([0, 1, 1, 0]),
    }


def values(window):
    return {name: value for name, value in window.take().items() if name != "images_per_second"}


def test_a_window_kept_as_json_goes_on_with_the_same_means():
    whole, first = Window(), Window()
    for step in range(3):
        whole.add(step, 0.1, scalars(step))
        first.add(step, 0.1, scalars(step))
    second = Window(json.loads(json.dumps(first.keep())))
    for step in (3, 4):
        whole.add(step, 0.1, scalars(step))
        second.add(step, 0.1, scalars(step))
    assert values(second) == values(whole)
    assert values(second) == {}
