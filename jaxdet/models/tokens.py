"""Defines FGTS: a linear layer on the few patches in which real and fake differ most.

Fisher-guided token selection, arXiv 2511.22471, and its code (hzlsaber/FGTS). At each place of the
grid, over the first `bank` training images, the distance between the mean real and the mean fake
token is set against the mean distance of tokens from the mean of their label; the mean of the best
places is what the layer is trained on.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxdet.models.probes import Probe, on_tower, torch_dense
from jaxdet.models.vit import ViT

_TINY = 1e-8


class TokenProbe(Probe):
    """Scores the mean of chosen patches by one linear layer.

    Training shows it `bank` images for the means, then `bank` for the distances, and learns from
    the rest; with as many images in an epoch, that is from the third epoch on.

    Attributes:
      tower: what sees the image.
      tokens: how many patches are chosen.
      bank: training images by which they are.
    """

    tokens: int
    bank: int

    def setup(self) -> None:
        """Creates the tower, the layer and the statistics."""
        own: Any = partial(self.variable, "batch_stats")
        places = self.tower.tokens
        self.vit = ViT(self.tower)
        self.head = torch_dense(1, inputs=self.tower.width)
        self.counts = own("counts", jnp.zeros, (2, 2))
        self.distances = own("distances", jnp.zeros, (2, places))
        self.sums = own("sums", jnp.zeros, (2, places, self.tower.width))

    def see(self, x: jax.Array) -> jax.Array:
        """Returns what is chosen from: the tokens of the patches, float [B, T, D]."""
        patches: jax.Array = self.vit(x)[2]
        return patches

    def score(self, seen: jax.Array, *, train: bool) -> jax.Array:
        """Returns logits, float [B], of the tokens of patches."""
        del train
        _, chosen = jax.lax.top_k(self.separation(), min(self.tokens, self.tower.tokens))
        logits: jax.Array = self.head(seen[:, chosen].mean(axis=1))[:, 0]
        return logits

    def separation(self) -> jax.Array:
        """Returns how far real and fake lie apart at each place of the grid, f32 [T]."""
        real, fake = self._means()
        within = self.distances.value / jnp.maximum(self.counts.value[1], 1)[:, None]
        return jnp.linalg.norm(fake - real, axis=-1) / (within.mean(axis=0) + _TINY)

    def collect(self, x: jax.Array, label: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns logits of float [B, H, W, 3], and whether they are to be learned from, 0 or 1.

        Takes the images, with labels i32 [B], into the statistics where these are not complete.
        """
        return self.collect_seen(self.see(x), label)

    def collect_seen(self, seen: jax.Array, label: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Does the same with the tokens of patches."""
        logits = self.score(seen, train=True)
        tokens, done = jax.lax.stop_gradient(seen.astype(jnp.float32)), self.counts.value.sum(1)
        sums, measures = done[0] < self.bank, (done[0] >= self.bank) & (done[1] < self.bank)
        learns = done[1] >= self.bank
        of_label = jax.nn.one_hot(label, 2)
        apart = jnp.linalg.norm(tokens - self._means()[label], axis=-1)
        self.sums.value += sums * jnp.einsum("bc,btd->ctd", of_label, tokens)
        self.distances.value += measures * (of_label.T @ apart)
        self.counts.value += jnp.stack([sums, measures])[:, None] * of_label.sum(0)
        return logits, learns.astype(jnp.float32)

    def _means(self) -> jax.Array:
        means: jax.Array = self.sums.value / jnp.maximum(self.counts.value[0], 1)[:, None, None]
        return means


TOKEN_PROBE = on_tower(TokenProbe, sees="patches", objective="collect")
