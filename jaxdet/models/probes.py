"""Defines small networks on what a vision tower sees of an image.

Each is a tower, `see`, and a head, `score`, which can also be used by itself.
"""

import dataclasses
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdet.config.model import Model
from jaxdet.models import pixels
from jaxdet.models.architectures import Architecture
from jaxdet.models.towers import Tower, read_tower
from jaxdet.models.vit import ViT

# Between them lie RINE's ReLUs and dropouts.
_HEAD = ("head_0", "head_3", "head_6")
# Fields that every Flax module has.
_OF_FLAX = {"parent", "name"}


class Probe(nn.Module):
    """Scores what a tower sees of an image; what that is, and how, is up to the detector.

    Attributes:
      tower: what sees the image.
    """

    tower: Tower

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Returns logits, float [B], of float [B, H, W, 3], levels in 0..255."""
        return self.score(self.see(x), train=train)

    def features(self, x: jax.Array) -> jax.Array:
        """Returns the tower's features, float [B, D]."""
        features: jax.Array = self.vit(x)[0]
        return features

    def see(self, x: jax.Array) -> jax.Array:
        """Returns what the head looks at: the features, where the detector says nothing else."""
        return self.features(x)

    def score(self, seen: jax.Array, *, train: bool) -> jax.Array:
        """Returns logits, float [B], of what the head looks at."""
        raise NotImplementedError


class LinearProbe(Probe):
    """Scores the features of a tower by one linear layer.

    On CLIP's projected embedding that is UnivFD (Ojha et al., CVPR 2023); on AugReg's class token,
    trained as a whole, Community Forensics (Park and Owens, CVPR 2025).

    Attributes:
      tower: what sees the image.
      head_deviation: of the normal weights that the layer starts with.
      normalise: whether features are divided by their L2 norm.
    """

    head_deviation: float = 0.02
    normalise: bool = False

    def setup(self) -> None:
        """Creates the tower and the layer."""
        self.vit = ViT(self.tower)
        self.head = nn.Dense(1, kernel_init=nn.initializers.normal(self.head_deviation))

    def contrast(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns logits, float [B], and the features in training, of float [B, H, W, 3]."""
        seen = self.see(x)
        return self.score(seen, train=True), seen

    def score(self, seen: jax.Array, *, train: bool) -> jax.Array:
        """Returns logits, float [B], of what the head looks at."""
        del train
        logits: jax.Array = self.head(unit(seen) if self.normalise else seen)[:, 0]
        return logits


class TwoLayerProbe(Probe):
    """Scores the features of a tower by two linear layers; DRCT (Chen et al., ICML 2024).

    What a contrastive loss compares is what the first gives. The second has an output for real and
    one for fake, whose difference is the logit: its sigmoid is the softmax of the two.

    Attributes:
      tower: what sees the image.
      width: of the first layer; published 1024.
    """

    width: int

    def setup(self) -> None:
        """Creates the tower and the layers."""
        self.vit = ViT(self.tower)
        self.embed = torch_dense(self.width, inputs=self.tower.dim)
        # The difference of two values in bfloat16 would have few digits.
        self.head = torch_dense(2, inputs=self.width, dtype=jnp.float32)

    def contrast(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns logits, float [B], and the embedding in training, of float [B, H, W, 3]."""
        return self.contrast_seen(self.see(x))

    def contrast_seen(self, seen: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the same of the features."""
        embedding = self.embed(seen)
        of_label: jax.Array = self.head(embedding)
        return of_label[:, 1] - of_label[:, 0], embedding

    def score(self, seen: jax.Array, *, train: bool) -> jax.Array:
        """Returns logits, float [B], of the features."""
        del train
        return self.contrast_seen(seen)[0]


class Rine(Probe):
    """Scores the class tokens inside all blocks of a tower; Koutlis and Papadopoulos, ECCV 2024.

    Published: on CLIP ViT-L/14, width 1024 and 4 layers (1 training class, and latent diffusion),
    128 and 4 (2 classes), 1024 and 2 (4 classes).

    Attributes:
      tower: what sees the image.
      width: of the projections.
      projection_layers: of each projection.
    """

    width: int
    projection_layers: int

    def setup(self) -> None:
        """Creates the tower and the layers, under the numbers of the published Sequentials."""
        self.vit = ViT(self.tower)
        shape = (self.tower.depth, self.width)
        self.alpha = self.param("alpha", nn.initializers.normal(1.0), shape)
        first, *others = self._projection(1)
        setattr(self, first, torch_dense(self.width, inputs=self.tower.width))
        for name in (*others, *self._projection(2), *_HEAD[:-1]):
            setattr(self, name, torch_dense(self.width, inputs=self.width))
        setattr(self, _HEAD[-1], torch_dense(1, inputs=self.width))
        self.drop = nn.Dropout(0.5)

    def see(self, x: jax.Array) -> jax.Array:
        """Returns what the head looks at: the taps of all blocks, float [B, depth, D]."""
        taps: jax.Array = self.vit(x)[1]
        return taps

    def score(self, seen: jax.Array, *, train: bool) -> jax.Array:
        """Returns logits, float [B], of what the head looks at.

        In training, half of the values are dropped wherever the source drops them.
        """
        return self._classify(self.embedding(seen, train=train), train=train)

    def contrast(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns logits, float [B], and the embedding in training, of float [B, H, W, 3]."""
        return self.contrast_seen(self.see(x))

    def contrast_seen(self, seen: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the same of what the head looks at."""
        embedding = self.embedding(seen, train=True)
        return self._classify(embedding, train=True), embedding

    def _classify(self, x: jax.Array, *, train: bool) -> jax.Array:
        for name in _HEAD[:-1]:
            x = self._layer(name, x, train=train)
        logits: jax.Array = getattr(self, _HEAD[-1])(x)[:, 0]
        return logits

    def embedding(self, seen: jax.Array, *, train: bool) -> jax.Array:
        """Returns the mixture of the taps, float [B, width], that RINE's second loss compares."""
        seen = self.drop(seen, deterministic=not train)
        for name in self._projection(1):
            seen = self._layer(name, seen, train=train)
        mixed = (nn.softmax(self.alpha, axis=0) * seen).sum(axis=1)
        mixed = self.drop(mixed, deterministic=not train)
        for name in self._projection(2):
            mixed = self._layer(name, mixed, train=train)
        return mixed

    def _projection(self, number: int) -> list[str]:
        return [f"proj{number}_{1 + 3 * layer}" for layer in range(self.projection_layers)]

    def _layer(self, name: str, x: jax.Array, *, train: bool) -> jax.Array:
        return self.drop(nn.relu(getattr(self, name)(x)), deterministic=not train)


def torch_dense(outputs: int, *, inputs: int, dtype: Any = None) -> nn.Dense:
    """Returns a dense layer that starts as torch's Linear: evenly within 1 / sqrt(inputs).

    torch 2.13 (nn/modules/linear.py, reset_parameters); its bias starts as its weights do.
    """
    bound = 1 / math.sqrt(inputs)

    def even(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return nn.Dense(outputs, dtype=dtype, kernel_init=even, bias_init=even)


def unit(x: jax.Array) -> jax.Array:
    """Returns vectors, float [..., D], divided by their L2 norm, as torch's `normalize` does."""
    return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def on_tower(module: type[nn.Module], *, sees: str, **more: Any) -> Architecture:
    """Returns the architecture of a network on a tower, whose fields are options of `Model`.

    Args:
      module: the network's class; its field `tower` takes the tower that the option names.
      sees: as `Architecture.sees`.
      more: of `Architecture`, where it is no other's.
    """

    def build(model: Model) -> nn.Module:
        names = {field.name for field in dataclasses.fields(module)} - _OF_FLAX
        options = {name: getattr(model, name) for name in names}
        return module(**options | {"tower": read_tower(model.tower)})

    return Architecture(
        build=build,
        pixels=pixels.levels,
        fixed_size=True,
        side=lambda model: read_tower(model.tower).size,
        sees=sees,
        **more,
    )


LINEAR_PROBE = on_tower(LinearProbe, sees="features")
TWO_LAYER_PROBE = on_tower(TwoLayerProbe, sees="features")
RINE = on_tower(Rine, sees="taps", objective="rine")
