"""Remembers what a vision tower saw of training images, and compares others with it.

Nothing in them follows a gradient: each step of training adds its batch to what they remember,
`batch_stats`, so an epoch is enough. Similarities are cosines; a logit is how much more alike an
image is to fakes than to reals.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdet.models.detector import Variables
from jaxdet.models.probes import Probe, on_tower, unit
from jaxdet.models.vit import ViT

# Below every cosine: what is not there is never the nearest.
_NOWHERE = -2.0


class _Bank(Probe):
    """Remembers the features of training images; how is up to the detector."""

    def collect(self, x: jax.Array, label: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Remembers images, float [B, H, W, 3], with labels i32 [B]; returns logits of before.

        And 1: the loss that is logged is theirs.
        """
        return self.collect_seen(self.see(x), label)

    def collect_seen(self, seen: jax.Array, label: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Does the same with what was seen of the images."""
        logits = self.score(seen, train=True)
        self.remember(unit(seen.astype(jnp.float32)), label)
        return logits, jnp.ones(())

    def remember(self, vectors: jax.Array, label: jax.Array) -> None:
        """Adds vectors of norm 1, f32 [B, D], with labels i32 [B]."""
        raise NotImplementedError


class Centroids(_Bank):
    """Compares an image with the mean of the real and that of the fake training images."""

    def setup(self) -> None:
        """Creates the tower and the sums."""
        self.vit = ViT(self.tower)
        self.sums = self.variable("batch_stats", "sums", jnp.zeros, (2, self.tower.dim))

    def score(self, seen: jax.Array, *, train: bool) -> jax.Array:
        """Returns the difference of two cosines, float [B]."""
        del train
        alike = unit(seen.astype(jnp.float32)) @ unit(self.sums.value).T
        return alike[:, 1] - alike[:, 0]

    def remember(self, vectors: jax.Array, label: jax.Array) -> None:
        """Adds vectors to the sum of their label."""
        self.sums.value += jax.nn.one_hot(label, 2).T @ vectors


class Neighbours(_Bank):
    """Compares an image with the nearest real and the nearest fake training images.

    With one neighbour a logit above 0 says that the nearest of all is a fake; with several, the
    mean cosines of as many as there are of each label are compared.

    Attributes:
      tower: what sees the image.
      bank: how many images are remembered: the first that training shows.
      neighbours: how many of each label count.
    """

    bank: int
    neighbours: int

    def setup(self) -> None:
        """Creates the tower and the bank."""
        self.vit = ViT(self.tower)
        own: Any = partial(self.variable, "batch_stats")
        self.vectors = own("bank", jnp.zeros, (self.bank, self.tower.dim))
        # -1: nothing is there yet.
        self.labels = own("labels", lambda: jnp.full((self.bank,), -1, jnp.int32))
        # Places before it are taken, or left free for good.
        self.filled = own("filled", lambda: jnp.zeros((), jnp.int32))

    def score(self, seen: jax.Array, *, train: bool) -> jax.Array:
        """Returns the difference of two mean cosines, float [B]."""
        del train
        alike = unit(seen.astype(jnp.float32)) @ self.vectors.value.T

        def nearest(label: int) -> jax.Array:
            own = jnp.where(self.labels.value == label, alike, _NOWHERE)
            similarity = jax.lax.top_k(own, min(self.neighbours, self.bank))[0]
            # The first may be missing itself; the others count where they are there.
            there = (similarity > _NOWHERE) | (jnp.arange(similarity.shape[1]) == 0)
            return similarity.mean(axis=1, where=there)

        return nearest(1) - nearest(0)

    def remember(self, vectors: jax.Array, label: jax.Array) -> None:
        """Adds vectors while there are places."""
        places = self.filled.value + jnp.arange(len(label))
        self.vectors.value = self.vectors.value.at[places].set(vectors, mode="drop")
        self.labels.value = self.labels.value.at[places].set(label, mode="drop")
        self.filled.value = jnp.minimum(self.filled.value + len(label), self.bank)


def without_repeats(variables: Variables, *, images: int) -> Variables:
    """Returns variables of `Neighbours` that remember so many images more, and none of them twice.

    The first epoch shows each once, before its last batch is filled up; none that follows finds a
    place.
    """
    statistics = variables["batch_stats"]
    places = len(statistics["labels"])
    filled = np.asarray(max(int(statistics["filled"]), places - images), np.int32)
    return {**variables, "batch_stats": {**statistics, "filled": filled}}


CENTROIDS = on_tower(Centroids, sees="features", objective="collect")
NEIGHBOURS = on_tower(Neighbours, sees="features", objective="collect")
