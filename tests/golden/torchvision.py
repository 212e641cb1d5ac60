"""Weights and images behind torchvision_seed1.json, rebuilt from their formula."""

import json
import zlib
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
SEED = 1


def load(name):
    return json.loads((FOLDER / name).read_text())


def state_dict(arch):
    return {key: fill(key, tuple(s)) for key, s in load("torchvision_shapes.json")[arch].items()}


def images(n, size):
    return np.random.default_rng([SEED, 7]).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def fill(key, shape):
    """Values for an entry of a state dict that depend on its name and shape alone."""
    rng = np.random.default_rng([SEED, zlib.crc32(key.encode())])
    if key.endswith("num_batches_tracked"):
        return np.array(0, np.int64)
    if key.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if key.endswith("running_mean"):
        return rng.normal(0, 0.1, shape).astype(np.float32)
    if key.endswith("bias"):
        return rng.normal(0, 0.05, shape).astype(np.float32)
    if len(shape) == 1:
        return rng.uniform(0.3, 0.9, shape).astype(np.float32)
    return (rng.normal(0, 1, shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
