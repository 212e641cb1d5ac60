"""Normalises pixels by ImageNet's statistics, as torchvision's networks take them."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxdet.models.imagenet import IMAGENET_MEAN, IMAGENET_STD


def normalise(image: jax.Array, dtype: Any = jnp.float32) -> jax.Array:
    """Returns floats with ImageNet's mean at 0 and deviation at 1."""
    scale = (1 / (255 * IMAGENET_STD)).astype(dtype)
    shift = (-IMAGENET_MEAN / IMAGENET_STD).astype(dtype)
    return image.astype(dtype) * scale + shift
