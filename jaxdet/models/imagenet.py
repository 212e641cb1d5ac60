"""Normalises pixels by ImageNet's statistics, as torchvision's networks take them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# The means and deviations of ImageNet's training images, RGB in 0..1 (torchvision).
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
IMAGENET_STD = np.array([0.229, 0.224, 0.225])


def normalise(image: jax.Array, dtype: Any = jnp.float32) -> jax.Array:
    """Returns floats with ImageNet's mean at 0 and deviation at 1."""
    scale = (1 / (255 * IMAGENET_STD)).astype(dtype)
    shift = (-IMAGENET_MEAN / IMAGENET_STD).astype(dtype)
    return image.astype(dtype) * scale + shift
