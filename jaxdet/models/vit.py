"""Defines the vision transformers of CLIP, DINOv2, DINOv3, AugReg and SigLIP, as one module.

Layers have timm's names. What differs between the towers is a switch of `towers.Tower`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxdet.errors import UserError
from jaxdet.models.adapted_dense import AdaptedDense, narrowed
from jaxdet.models.platform import has_flash_attention, has_flash_gradient
from jaxdet.models.towers import BIASED, Tower

_ACTIVATIONS: Mapping[str, Callable[[jax.Array], jax.Array]] = MappingProxyType(
    {
        "gelu": partial(nn.gelu, approximate=False),
        "gelu_tanh": partial(nn.gelu, approximate=True),
        "quick_gelu": lambda x: x * nn.sigmoid(1.702 * x),
        "silu": nn.silu,
    }
)
# DINOv3's (layers/rope_position_encoding.py): the longest period of the rotation.
ROTARY_BASE = 100.0
_init = nn.initializers.normal(0.02)


class ViT(nn.Module):
    """Turns images into one vector of features each.

    Attributes:
      tower: what is built.
    """

    tower: Tower

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns features, taps and patches of float [B, H, W, 3], levels in 0..255.

        Maps have the dtype of `x`; normalisations and softmax are computed in float32.

        Returns:
          Features [B, D]; [B, depth, width], the class token (of a tower without one, the first
          patch) behind the second normalisation of each block, which RINE looks at; and [B, T,
          width], the normalised tokens of the patches, which FGTS chooses from.

        Raises:
          UserError: where the images have another size than the tower's.
        """
        tower, grid = self.tower, _grid(x.shape, self.tower)
        x = self._embed(_normalised(x, tower))
        if tower.pre_norm:
            x = _norm(tower, "norm_pre")(x)
        rotation = None
        if tower.positions == "rotary":
            rotation = rotary(*grid, dim=tower.width // tower.heads)
        taps = []
        for number in range(tower.depth):
            x, tap = Block(tower, name=f"blocks_{number}")(x, rotation)
            taps.append(tap)
        x = _norm(tower, "norm")(x)
        return self._pool(x), jnp.stack(taps, axis=1), x[:, tower.class_token + tower.registers :]

    def _embed(self, x: jax.Array) -> jax.Array:
        """Returns the tokens [B, T, width]: class token, registers, patches."""
        tower, dtype = self.tower, x.dtype
        side = (tower.patch, tower.patch)
        patches = nn.Conv(
            tower.width, side, strides=side, padding="VALID", use_bias=tower.patch_bias,
            name="patch_embed",
        )(x)  # fmt: skip
        patches = patches.reshape(x.shape[0], -1, tower.width)

        def tokens(name: str, count: int) -> jax.Array:
            learned = self.param(name, _init, (count, tower.width)).astype(dtype)
            return jnp.broadcast_to(learned, (x.shape[0], count, tower.width))

        first = [tokens("cls_token", 1)] if tower.class_token else []
        if tower.mask_token:
            tokens("mask_token", 1)
        registers = [tokens("reg_token", tower.registers)] if tower.registers else []
        if tower.positions == "all":
            count = tower.tokens + tower.class_token
            placed = jnp.concatenate([*first, patches], axis=1) + tokens("pos_embed", count)
            first, patches = ([placed[:, :1]], placed[:, 1:]) if first else ([], placed)
        elif tower.positions == "patches":
            patches = patches + tokens("pos_embed", tower.tokens)
        return jnp.concatenate([*first, *registers, patches], axis=1)

    def _pool(self, x: jax.Array) -> jax.Array:
        tower = self.tower
        if tower.pool == "attention":
            pooled = AttentionPool(tower, name="attn_pool")(x)
        elif tower.pool == "mean":
            pooled = x[:, tower.class_token + tower.registers :].mean(axis=1)
        else:
            pooled = x[:, 0]
        if tower.projection:
            dense = nn.Dense(tower.projection, use_bias=tower.projection_bias, name="projection")
            pooled = dense(pooled)
        return pooled


class Block(nn.Module):
    """Lets tokens look at each other, then transforms each by itself."""

    tower: Tower

    @nn.compact
    def __call__(self, x: jax.Array, rotation: np.ndarray | None) -> tuple[jax.Array, jax.Array]:
        """Returns the tokens [B, T, width], and the first of them behind the second norm."""
        tower = self.tower
        normed = _norm(tower, "norm1")(x)
        x = x + self._scaled("ls1", Attention(tower, name="attn")(normed, normed, rotation))
        normed = _norm(tower, "norm2")(x)
        return x + self._scaled("ls2", Mlp(tower, name="mlp")(normed)), normed[:, 0]

    def _scaled(self, name: str, x: jax.Array) -> jax.Array:
        if not self.tower.layer_scale:
            return x
        return x * self.param(name, nn.initializers.ones, (x.shape[-1],)).astype(x.dtype)


class Attention(nn.Module):
    """Mixes tokens by multi-head attention."""

    tower: Tower

    @nn.compact
    def __call__(
        self, asking: jax.Array, asked: jax.Array, rotation: np.ndarray | None = None
    ) -> jax.Array:
        """Returns [B, T, width] of the tokens that ask, [B, T, width], and those asked."""
        tower = self.tower

        def heads(name: str, x: jax.Array) -> jax.Array:
            narrow = narrowed(self, x)
            dense = AdaptedDense(tower.width, use_bias=name in BIASED[tower.qkv_bias], name=name)
            x = dense(x, narrow)
            return x.reshape(*x.shape[:2], tower.heads, -1)

        query, key, value = heads("q", asking), heads("k", asked), heads("v", asked)
        if rotation is not None:
            query, key = rotated(query, rotation), rotated(key, rotation)
        fused = query.dtype == jnp.bfloat16 and has_flash_attention(query.shape[-1])
        mixed = (flash_attention if fused else jax.nn.dot_product_attention)(query, key, value)
        return AdaptedDense(tower.width, name="proj")(mixed.reshape(asking.shape))


class Mlp(nn.Module):
    """Transforms each token by two dense layers, or three where it is gated."""

    tower: Tower

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns [B, T, width] of [B, T, width]."""
        tower, activate = self.tower, _ACTIVATIONS[self.tower.activation]
        hidden = AdaptedDense(tower.mlp, name="fc1")(x)
        gate = AdaptedDense(tower.mlp, name="gate")(x) if tower.gated else None
        hidden = activate(hidden) if gate is None else activate(gate) * hidden
        return AdaptedDense(tower.width, name="fc2")(hidden)


class AttentionPool(nn.Module):
    """Pools tokens by a learned query, as SigLIP does (transformers, modeling_siglip.py)."""

    tower: Tower

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns [B, width] of [B, T, width]."""
        probe = self.param("probe", _init, (1, x.shape[-1])).astype(x.dtype)
        asking = jnp.broadcast_to(probe, (x.shape[0], *probe.shape))
        pooled = Attention(self.tower, name="attn")(asking, x)
        normed = _norm(self.tower, "norm")(pooled)
        return (pooled + Mlp(self.tower, name="mlp")(normed))[:, 0]


@jax.custom_vjp
def flash_attention(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """Returns cuDNN's attention, [B, T, heads, dim], of [B, T, heads, dim] and [B, S, heads, dim].

    JAX 0.10 to 0.12 differentiates that of even lengths alone: others are trained on with one more
    token, which is masked. Where XLA does not compile its gradient, XLA's own attention is trained.
    """
    return jax.nn.dot_product_attention(query, key, value, implementation="cudnn")


def _even_attention(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    def even(x: jax.Array) -> jax.Array:
        return jnp.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, 0), (0, 0)))

    def count(x: jax.Array) -> jax.Array | None:
        return jnp.full(len(x), x.shape[1]) if masked else None

    masked = query.shape[1] % 2 or key.shape[1] % 2
    mixed = jax.nn.dot_product_attention(
        even(query), even(key), even(value), query_seq_lengths=count(query),
        key_value_seq_lengths=count(key), implementation="cudnn",
    )  # fmt: skip
    return mixed[:, : query.shape[1]]


def _trained(query: jax.Array, key: jax.Array, value: jax.Array) -> tuple[jax.Array, Any]:
    attention = _even_attention if has_flash_gradient() else jax.nn.dot_product_attention
    return jax.vjp(attention, query, key, value)


flash_attention.defvjp(_trained, lambda pull, gradient: pull(gradient))


def rotary(rows: int, columns: int, *, dim: int) -> np.ndarray:
    """Returns cosine and sine, f32 [2, rows * columns, dim], of DINOv3's rotation of each patch.

    Half of a head's channels turn with the row, half with the column, each in dim / 4 frequencies.
    """
    centres = [2 * (np.arange(count) + 0.5) / count - 1 for count in (rows, columns)]
    place = np.stack(np.meshgrid(*centres, indexing="ij"), axis=-1).reshape(-1, 2, 1)
    frequency = ROTARY_BASE ** -(np.arange(dim // 4) * 4 / dim)
    angle = np.tile((2 * np.pi * place * frequency).reshape(len(place), -1), 2)
    return np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


def rotated(x: jax.Array, rotation: np.ndarray) -> jax.Array:
    """Rotates the channels of the last tokens of [B, T, heads, dim]: of the patches."""
    others = x.shape[1] - rotation.shape[1]
    cosine, sine = rotation[:, :, None].astype(x.dtype)
    patches = x[:, others:]
    first, second = jnp.split(patches, 2, axis=-1)
    turned = patches * cosine + jnp.concatenate([-second, first], axis=-1) * sine
    return jnp.concatenate([x[:, :others], turned], axis=1)


def _norm(tower: Tower, name: str) -> Callable[[jax.Array], jax.Array]:
    # Computed in float32 whatever the maps are; the plain variance, since that of squares loses
    # digits where a few channels are large, as they are in these towers.
    norm = nn.LayerNorm(
        epsilon=tower.epsilon, use_fast_variance=False, dtype=jnp.float32, name=name
    )
    return lambda x: norm(x).astype(x.dtype)


def _normalised(x: jax.Array, tower: Tower) -> jax.Array:
    """Returns levels in 0..255, which bfloat16 holds exactly, with the tower's mean at 0."""
    mean, deviation = np.array(tower.mean_and_deviation, np.float32)
    return ((x.astype(jnp.float32) / 255 - mean) / deviation).astype(x.dtype)


def _grid(shape: tuple[int, ...], tower: Tower) -> tuple[int, int]:
    """Returns the rows and columns of patches; raises UserError for images of another size."""
    _, height, width, _ = shape
    if tower.positions == "rotary":
        takes, fits = (
            f"multiples of {tower.patch}",
            not (height % tower.patch or width % tower.patch),
        )
    else:
        takes, fits = f"{tower.size} x {tower.size}", height == width == tower.size
    if not fits:
        raise UserError(f"the tower takes images of {takes} pixels, not {height} x {width}")
    return height // tower.patch, width // tower.patch
