"""One option of a config with a value that nobody meant, refused by name or worked with."""

import dataclasses
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict

from jaxdet import config as schema
from jaxdet.config.forms import list_options
from jaxdet.data.augment import Recipe
from jaxdet.data.order import Streams
from jaxdet.errors import UserError
from jaxdet.train.schedule import first_state, learning_rate, next_state
from jaxdet.train.state import make_optimizer

NAMES = tuple(list_options())
# Larger images take their time and prove no more.
SIDE = 64


def make_case(number, seed, folder):
    """Returns the name of the option, and its value in a config file and on the command line."""
    del folder
    rng = np.random.default_rng([seed, number])
    name = NAMES[number % len(NAMES)]
    default = list_options()[name].default
    if rng.random() < 0.5:
        return name, (name, _like(rng, default))
    return name, (name, _node(rng, depth=int(rng.integers(4))))


def kinds():
    """Returns the one option whose plain value warms everything up."""
    return ("optim.learning_rate",)


def sound_case(what, folder):
    """Returns a value that is accepted."""
    del folder
    return what, 0.5


def readers(what):
    """Returns the ways in which a value comes in."""
    del what
    return {"config.json": _from_json, "config file": _from_file, "option": _from_option}


def _from_json(case):
    name, value = case
    nested = schema.to_json_dict(schema.Config())
    _put(nested, name, value)
    config = schema.from_json_dict(json.loads(json.dumps(nested)))
    _work_with(case, config)


def _from_file(case):
    name, value = case
    nested = dataclasses.asdict(schema.Config())
    _put(nested, name, value)
    _work_with(case, schema.from_config_dict(ConfigDict(nested)))


def _from_option(case):
    name, value = case
    arguments = ["main", f"--config.{name}={value}"]
    config, _ = schema.parse_options(schema.to_config_dict(schema.Config()), arguments)
    _work_with(case, config)


def _put(nested, name, value):
    *sections, last = name.split(".")
    for section in sections:
        nested = nested[section]
    nested[last] = value


def _work_with(case, config):
    """Refuses the config in a line that names the option, or does with it what a run does."""
    try:
        schema.validate(config)
    except UserError as error:
        named = case[0].rpartition(".")[2] in str(error) or "model.init" in str(error)
        if not named or len(str(error)) > 1000:
            raise ValueError(str(error)) from error
        raise
    for number in jax.tree.leaves(list(schema.flatten(config).values())):
        assert not isinstance(number, float) or math.isfinite(number)
    assert schema.from_json_dict(json.loads(json.dumps(schema.to_json_dict(config)))) == config
    assert len(schema.config_hash(config)) == 16
    _augment(config)
    _update(config)


def _augment(config):
    augment = dataclasses.replace(
        config.augment, crop=min(config.augment.crop, SIDE), resize=min(config.augment.resize, SIDE)
    )
    image = np.random.default_rng(config.seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    cropped = np.empty((augment.crop, augment.crop, 3), np.uint8)
    Recipe(augment)(image, Streams(config.seed, "train", 0, 0, 0), out=cropped)


def _update(config):
    state = first_state(config)
    for _ in range(3):
        rate = learning_rate(config, state, step=0, steps_per_epoch=1)
        assert 0 <= rate < math.inf
        state = next_state(config, state, 0.5)
    optimizer = make_optimizer(config.optim)
    weights = jax.random.normal(jax.random.key(config.seed), (3,))
    updates, _ = optimizer.update(jnp.ones(3), optimizer.init(weights), weights)
    assert np.isfinite(optax.apply_updates(weights, updates)).all()


def _like(rng, default):
    """Returns a value of the default's type and, mostly, of its order of magnitude."""
    if isinstance(default, tuple):
        count = len(default) or int(rng.integers(3))
        return [_like(rng, default[i] if default else 1) for i in range(count)]
    if isinstance(default, bool | str):
        return default
    scaled = (default or 1) * 10.0 ** rng.uniform(-4, 4)
    return round(scaled) if isinstance(default, int) else scaled


def _node(rng, depth):
    """Returns a value of any kind: what JSON holds, and lists of it."""
    if depth:
        count = int(rng.integers(5))
        children = [_node(rng, depth - 1) for _ in range(count)]
        return (
            children if rng.random() < 0.7 else {str(i): child for i, child in enumerate(children)}
        )
    return _LEAVES[rng.integers(len(_LEAVES))](rng)


_LEAVES = (
    lambda rng: float("nan"),
    lambda rng: float(rng.choice([-1, 1]) * np.inf),
    lambda rng: int(rng.choice([-1, 1])) * 10 ** int(rng.integers(400)),
    lambda rng: 2 ** int(rng.integers(128)) - int(rng.integers(3)),
    lambda rng: float(rng.choice([-1, 1]) * 10.0 ** rng.integers(-308, 308)),
    lambda rng: float(rng.random()),
    lambda rng: int(rng.integers(-3, 300)),
    lambda rng: bool(rng.integers(2)),
    lambda rng: None,
    lambda rng: "".join(map(chr, rng.integers(0, 0x2FF, rng.integers(9)))),
    lambda rng: "x" * int(10 ** rng.integers(6)),
)
