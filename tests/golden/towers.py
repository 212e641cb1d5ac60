"""Small towers: their weights from a formula, and the features of transformers and timm."""

import zlib

import numpy as np

from tests.golden.torchvision import SEED, load

TOWERS = {**load("towers_seed1.json")["towers"], **load("towers_more_seed1.json")["towers"]}


def state_dict(name):
    """The file of a tower; Community Forensics' has its one logit behind `vit.`."""
    prefix = "vit." if TOWERS[name]["kind"] == "vit" else ""
    return {prefix + key: fill(key, tuple(shape)) for key, shape in TOWERS[name]["keys"].items()}


def fill(key, shape):
    """Values for an entry of a state dict that depend on its name and shape alone."""
    rng = np.random.default_rng([SEED, zlib.crc32(key.encode())])
    if len(shape) <= 1:
        if key.endswith("weight"):
            return rng.uniform(0.7, 1.3, shape).astype(np.float32)
        if "lambda" in key or "gamma" in key:
            return rng.uniform(0.1, 0.5, shape).astype(np.float32)
        return rng.normal(0, 0.5 if "class_embedding" in key else 0.05, shape).astype(np.float32)
    if "token" in key or "pos" in key:
        return rng.normal(0, 0.3, shape).astype(np.float32)
    fan_in = shape[0] if key.endswith("visual.proj") else int(np.prod(shape[1:]))
    return (rng.normal(0, 1, shape) / np.sqrt(fan_in)).astype(np.float32)
