"""Detectors of random weights, and their ONNX files."""

import jax
import numpy as np

from jaxdet.convert.card import Card, network_options
from jaxdet.convert.load import LoadedWeights
from jaxdet.convert.onnx.export import export_onnx
from jaxdet.models.detector import get_detector

SIDE = 32


def fill(path, leaf, rng):
    place = jax.tree_util.keystr(path)
    if not np.issubdtype(leaf.dtype, np.floating):
        # Banks: some are real, some fake, and some places are free.
        return np.asarray(np.arange(leaf.size).reshape(leaf.shape) % 3 - 1, leaf.dtype)
    if "kernel" in place:
        return rng.normal(0, np.sqrt(2 / np.prod(leaf.shape[:-1])), leaf.shape).astype(np.float32)
    sign = -1 if "'min'" in place else 1
    return (sign * rng.uniform(0.3, 0.9, leaf.shape)).astype(np.float32)


def loaded_of(model):
    """Random weights, none of them 0, so that a layer that is left out is seen."""
    detector, rng = get_detector(model), np.random.default_rng(0)
    side = detector.architecture.side(model) or SIDE
    shapes = jax.eval_shape(lambda: detector.init(jax.random.key(0), size=side))
    variables = jax.tree_util.tree_map_with_path(lambda path, leaf: fill(path, leaf, rng), shapes)
    return LoadedWeights(model=model, variables=variables, source="random", crop=side), side


def exported(path, model, variant="float32", **known):
    loaded, side = loaded_of(model)
    card = Card(model=network_options(model), sha256="0" * 64, **known).of_crops(side)
    return export_onnx(path, loaded, size=side, card=card, variant=variant)
