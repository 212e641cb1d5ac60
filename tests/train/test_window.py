import json

import jax.numpy as jnp
import numpy as np

from jaxdet.config import Config
from jaxdet.results import RunFolder
from jaxdet.train.nonfinite import NonFinite
from jaxdet.train.window import Window

BATCH = {name: np.zeros(4, np.int32) for name in ("image", "label", "index")}


def make_window(folder, kept=None):
    policy = NonFinite(
        Config(), run=RunFolder(folder), ids=["0"], newest=lambda: None, devices=1
    )  # fmt: skip
    return Window(policy, kept)


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


def test_a_window_kept_as_json_goes_on_with_the_same_means(tmp_path):
    whole, first = make_window(tmp_path), make_window(tmp_path)
    for step in range(3):
        whole.add(step, 0.1, BATCH, scalars(step))
        first.add(step, 0.1, BATCH, scalars(step))
    second = make_window(tmp_path, json.loads(json.dumps(first.keep())))
    for step in (3, 4):
        whole.add(step, 0.1, BATCH, scalars(step))
        second.add(step, 0.1, BATCH, scalars(step))
    assert values(second) == values(whole)
    assert values(second) == {}
